-- Remembers an erasure that Redis has lost, and leaves the door a mark that no resend gets past.
-- KEYS  once mark, erased; ARGV  submission id, erasure, facts. Gives 1 if it was not known
local new = redis.call('HSETNX', KEYS[2], ARGV[1], ARGV[2])
if new == 1 then
  redis.call('SET', KEYS[1], 'erased ' .. ARGV[3])
end
return new
