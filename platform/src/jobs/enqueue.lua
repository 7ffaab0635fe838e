-- Takes an analysis in: remembers it, gives it its place in the line, appends it, rings. All of it or nothing.
-- KEYS  job, line, stream, bell, clock, the other stream, erased, the subject's analyses
-- ARGV  id, content hash, facts, seconds to remember, capacity, payload, class (0 before 1), bell channel, bell ms,
--       clock channel, clock ms, announcement of a tick
-- Gives 'queued' | 'duplicate' | 'conflict' | 'full' | 'erased'
if redis.call('HEXISTS', KEYS[7], ARGV[1]) == 1 then
  return {'erased'}
end
local known = redis.call('HGET', KEYS[1], 'hash')
if known then
  return {known == ARGV[2] and 'duplicate' or 'conflict'}
end
if redis.call('XLEN', KEYS[3]) + redis.call('XLEN', KEYS[6]) >= tonumber(ARGV[5]) then
  return {'full'}
end
local time = redis.call('TIME')
local order = string.format('%.0f', ARGV[7] * 4000000000000000 + time[1] * 1000000 + time[2])
redis.call('HSET', KEYS[1], 'hash', ARGV[2], 'facts', ARGV[3], 'state', 'queued', 'attempts', '0', 'order', order)
redis.call('EXPIRE', KEYS[1], ARGV[4])
redis.call('ZADD', KEYS[2], order, ARGV[1])
redis.call('ZADD', KEYS[8], string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)), ARGV[1])
redis.call('XADD', KEYS[3], '*', 'd', ARGV[6])
if redis.call('SET', KEYS[4], '1', 'NX', 'PX', ARGV[9]) then
  redis.call('PUBLISH', ARGV[8], '')
end
if redis.call('SET', KEYS[5], ARGV[12], 'NX', 'PX', ARGV[11]) then
  redis.call('PUBLISH', ARGV[10], ARGV[12])
end
return {'queued'}
