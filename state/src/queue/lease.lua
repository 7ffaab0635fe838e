-- Takes the clock's lease for the tick that a message announces. Only the message announced last can take it: a
-- repeated or late message finds another value.
-- KEYS clock; ARGV announcement, lease, lease ms. Gives '1' if taken
local mark = redis.call('GET', KEYS[1])
-- A repeated call finds its own lease.
if mark and mark ~= ARGV[1] and mark ~= ARGV[2] then
  return {'0'}
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return {'1'}
