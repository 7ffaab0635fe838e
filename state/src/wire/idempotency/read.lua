-- Reads the idempotency record of a submission.
-- KEYS  the hash of its record, scopes
-- ARGV  its id: the time, then the field
-- Gives the record and its scope, or nothing
local record = redis.call('HGET', KEYS[1], string.sub(ARGV[1], 7))
if not record or string.sub(record, 17, 22) ~= string.sub(ARGV[1], 1, 6) then return {} end
local number = string.sub(record, 31)
return {record, redis.call('ZRANGEBYSCORE', KEYS[2], number, number)[1] or ''}
