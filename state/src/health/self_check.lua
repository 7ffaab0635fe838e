-- Notes a look at the self-check, and gives its known times. If the last look is long ago, Vigil stood still, and the
-- wait for the self-check starts anew.
-- KEYS  self-check; ARGV  now ms, longest ms between two looks
-- Gives since, sent, arrived, arrived-of; nil where it is not known
local now = tonumber(ARGV[1])
local looked = tonumber(redis.call('HGET', KEYS[1], 'looked') or 0)
if math.abs(now - looked) > tonumber(ARGV[2]) then
  redis.call('HSET', KEYS[1], 'since', ARGV[1])
end
redis.call('HSET', KEYS[1], 'looked', ARGV[1])
return redis.call('HMGET', KEYS[1], 'since', 'sent', 'arrived', 'arrived-of')
