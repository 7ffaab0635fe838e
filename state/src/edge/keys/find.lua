-- Finds a key by the hash of its secret, and notes when it was used.
-- KEYS  keys, when each was used last
-- ARGV  the hash, now in minutes since the epoch
-- Gives the record of the key, or nothing
local record = redis.call('HGET', KEYS[1], ARGV[1])
if not record then return {} end
if redis.call('HGET', KEYS[2], ARGV[1]) ~= ARGV[2] then redis.call('HSET', KEYS[2], ARGV[1], ARGV[2]) end
return {record}
