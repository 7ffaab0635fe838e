-- Begins an erasure: remembers it, and leaves a tombstone that stays for ever at the door. No resend gets past it.
-- Before this stand SCOPES and idempotency.lua.
-- KEYS hash of the idempotency record, erased; ARGV submission id, erasure, tombstone. Gives the erasure that holds
local first = redis.call('HGET', KEYS[2], ARGV[1])
if first then
  return {first}
end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('HSET', KEYS[1], idempotency(ARGV[3]))
return {ARGV[2]}
