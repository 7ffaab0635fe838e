-- Notes that the keys of a subject were destroyed, and begins again to wait for what came in before.
-- KEYS progress, destroyed, pinned keys; ARGV subject, how many destructions are remembered, '1' when their record is removed
-- Gives when, by the clock of this server
redis.call('DEL', KEYS[3])
local last = redis.call('ZREVRANGEBYSCORE', KEYS[2], '(+inf', '-inf', 'WITHSCORES', 'LIMIT', 0, 1)[2] or '0'
redis.call('ZADD', KEYS[2], last + 1, ARGV[1])
redis.call('ZREMRANGEBYRANK', KEYS[2], 0, -1 - ARGV[2])
local time = redis.call('TIME')
local ms = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('HSET', KEYS[1], 'ms', ms, 'keys', ARGV[3]) end
return {ms}
