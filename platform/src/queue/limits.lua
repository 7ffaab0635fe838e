-- Looks at the token buckets before a submission is taken in. It stands before enqueue.lua where there are limits, with
-- its keys and arguments; without limits nobody sends or runs it.
-- A bucket is the moment at which it will be full again, and vanishes then. Tokens are taken from all of them or none.
local buckets, wait, time = {}, 0, redis.call('TIME')
local now = time[1] * 1000000 + time[2]
for i = 14, #ARGV, 2 do
  local key = KEYS[9 + (i - 14) / 2]
  local full = math.max(now, tonumber(redis.call('GET', key) or 0)) + ARGV[i]
  wait = math.max(wait, full - now - ARGV[i + 1])
  buckets[#buckets + 1] = {key, full, full - now}
end
if wait > 0 then
  return {'limited', math.ceil(wait / 1000)}
end
local function take()
  for _, bucket in ipairs(buckets) do
    redis.call('SET', bucket[1], string.format('%.0f', bucket[2]), 'PX', math.ceil(bucket[3] / 1000))
  end
end
