-- Finds alerts that are overdue by more than a grace period, and sends each to a worker. Keeps dead letters bounded.
-- flows.lua stands before this.
-- KEYS  alerts by when they must move, dead, counts, the dispatch queue's bell
-- ARGV  now ms, grace ms, most alerts, most dead letters, earliest dead letter ms, work for a worker before and after
--       the alert's id, bell channel, bell ms
-- Gives dead letters cut off, then the alerts
local now, out = tonumber(ARGV[1]), {0}
local late = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2], 'LIMIT', 0, ARGV[3])
for _, id in ipairs(late) do
  local work = ARGV[6] .. id .. ARGV[7]
  append('dispatch', '||', work, #work, 1)
  -- The alert is not reported again before another grace period has passed. A step overwrites this with the real time.
  redis.call('ZADD', KEYS[1], ARGV[1], id)
  out[#out + 1] = id
end
if #late > 0 then
  redis.call('HINCRBY', KEYS[3], 'overdue', #late)
  if redis.call('SET', KEYS[4], '1', 'NX', 'PX', ARGV[9]) then
    redis.call('PUBLISH', ARGV[8], '')
  end
end
out[1] = redis.call('XTRIM', KEYS[2], 'MAXLEN', '~', ARGV[4]) + redis.call('XTRIM', KEYS[2], 'MINID', '~', ARGV[5])
if out[1] > 0 then
  redis.call('HINCRBY', KEYS[3], 'dead-trimmed', out[1])
end
return out
