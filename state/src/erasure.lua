-- Begins an erasure: remembers it, and leaves a tombstone that never expires at the door. No resend gets past it.
-- KEYS idempotency record, erased; ARGV submission id, erasure, tombstone. Gives the erasure that holds
local first = redis.call('HGET', KEYS[2], ARGV[1])
if first then
  return {first}
end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('SET', KEYS[1], ARGV[3])
return {ARGV[2]}
