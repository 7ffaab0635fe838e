-- Takes one submission in: remembers it, counts it, appends it, rings. All of it or nothing.
-- KEYS  once mark, stream, bell, clock, stats, then a token bucket for each limit
-- ARGV  content hash, facts, days to remember, capacity, payload, bell channel, bell ms, clock channel, clock ms,
--       stats suffix, announcement of a tick, then for each limit: microseconds per token, microseconds per burst
-- Gives 'queued' | 'full' | 'duplicate', first facts | 'conflict', first facts | 'limited', milliseconds to wait
-- A bucket is the moment at which it will be full again, and vanishes then. Tokens are taken from all of them or none.
local buckets = nil
if ARGV[12] then
  local time, wait = redis.call('TIME'), 0
  local now = time[1] * 1000000 + time[2]
  buckets = {}
  for i = 12, #ARGV, 2 do
    local key = KEYS[6 + (i - 12) / 2]
    local full = math.max(now, tonumber(redis.call('GET', key) or 0)) + ARGV[i]
    wait = math.max(wait, full - now - ARGV[i + 1])
    buckets[#buckets + 1] = {key, full, full - now}
  end
  if wait > 0 then
    return {'limited', math.ceil(wait / 1000)}
  end
end
local function take()
  for _, bucket in ipairs(buckets) do
    redis.call('SET', bucket[1], string.format('%.0f', bucket[2]), 'PX', math.ceil(bucket[3] / 1000))
  end
end
local first = redis.call('GET', KEYS[1])
if first then
  local cut = string.find(first, ' ', 1, true)
  local same = string.sub(first, 1, cut - 1) == ARGV[1]
  local outcome = same and 'duplicate' or 'conflict'
  if buckets then take() end
  redis.call('HINCRBY', KEYS[5], outcome .. ARGV[10], 1)
  return {outcome, string.sub(first, cut + 1)}
end
if redis.call('XLEN', KEYS[2]) >= tonumber(ARGV[4]) then
  return {'full'}
end
if buckets then take() end
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[2], 'EX', tonumber(ARGV[3]) * 86400)
redis.call('XADD', KEYS[2], '*', 'd', ARGV[5])
redis.call('HINCRBY', KEYS[5], 'accepted' .. ARGV[10], 1)
if redis.call('SET', KEYS[3], '1', 'NX', 'PX', ARGV[7]) then
  redis.call('PUBLISH', ARGV[6], '')
end
if redis.call('SET', KEYS[4], ARGV[11], 'NX', 'PX', ARGV[9]) then
  redis.call('PUBLISH', ARGV[8], ARGV[11])
end
return {'queued'}
