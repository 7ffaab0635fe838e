-- Reads the idempotency record of a submission.
-- KEYS  the hash of its record, scopes
-- ARGV  its field
-- Gives the record and its scope, or nothing
local record = redis.call('HGET', KEYS[1], ARGV[1])
if not record then return {} end
local number = string.sub(record, 31)
return {record, redis.call('ZRANGEBYSCORE', KEYS[2], number, number)[1] or ''}
