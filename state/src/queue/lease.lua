-- Takes the clock's lease for the tick that a message announces. Only the message that is announced last may: a lost
-- and repeated, or a late one finds another mark.
-- KEYS clock; ARGV announcement, lease, lease ms. Gives '1' if taken
local mark = redis.call('GET', KEYS[1])
-- A repeated call finds its own lease.
if mark and mark ~= ARGV[1] and mark ~= ARGV[2] then
  return {'0'}
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return {'1'}
