-- Takes the clock's lease, unless a tick is running. KEYS clock; ARGV token, clock ms. Gives '1' if taken.
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= 'next' then
  return {'0'}
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return {'1'}
