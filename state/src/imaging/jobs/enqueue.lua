-- Takes an analysis in: remembers it, gives it its position in the line, appends it, rings. All or nothing. flows.lua
-- stands before this.
-- KEYS  job, line, bell, clock, erased, the subject's analyses, studies that are being erased, the study's subjects
-- ARGV  id, content hash, facts, seconds to remember, capacity, payload, class (0 before 1), bell channel, bell ms,
--       clock channel, clock ms, announcement of a tick, queue, the other queue, flow, study, subject
-- Gives 'queued' | 'duplicate' | 'conflict' | 'full' | 'erased' | 'erasing': the study is being erased
if redis.call('HEXISTS', KEYS[5], ARGV[1]) == 1 then
  return {'erased'}
end
if redis.call('SISMEMBER', KEYS[7], ARGV[16]) == 1 then
  return {'erasing'}
end
local known = redis.call('HGET', KEYS[1], 'hash')
if known then
  return {known == ARGV[2] and 'duplicate' or 'conflict'}
end
if redis.call('XLEN', STREAM .. ARGV[13]) + redis.call('XLEN', STREAM .. ARGV[14]) >= tonumber(ARGV[5]) then
  return {'full'}
end
local time = redis.call('TIME')
local order = string.format('%.0f', ARGV[7] * 4000000000000000 + time[1] * 1000000 + time[2])
redis.call('HSET', KEYS[1], 'hash', ARGV[2], 'facts', ARGV[3], 'state', 'queued', 'attempts', '0', 'order', order)
redis.call('EXPIRE', KEYS[1], ARGV[4])
redis.call('ZADD', KEYS[2], order, ARGV[1])
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
redis.call('ZADD', KEYS[6], now, ARGV[1])
redis.call('ZADD', KEYS[8], 'GT', now, ARGV[17])
append(ARGV[13], ARGV[15], ARGV[6], #ARGV[6], 1)
if redis.call('SET', KEYS[3], '1', 'NX', 'PX', ARGV[9]) then
  redis.call('PUBLISH', ARGV[8], '')
end
if redis.call('SET', KEYS[4], ARGV[12], 'NX', 'PX', ARGV[11]) then
  redis.call('PUBLISH', ARGV[10], ARGV[12])
end
return {'queued'}
