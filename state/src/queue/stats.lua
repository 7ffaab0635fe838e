-- Reads all measured values of the queues, at one moment.
-- KEYS  stats, due, dead, how many submissions the first queue has beyond one for each entry, then a stream for each
--       queue
-- Gives due entries, dead letters, then for each queue: how much waits, the oldest one's id or '', then the counters:
--       field, value
local out = {redis.call('ZCARD', KEYS[2]), redis.call('XLEN', KEYS[3])}
for i = 5, #KEYS do
  local oldest = redis.call('XRANGE', KEYS[i], '-', '+', 'COUNT', 1)[1]
  out[#out + 1] = redis.call('XLEN', KEYS[i]) + (i == 5 and oldest and redis.call('GET', KEYS[4]) or 0)
  out[#out + 1] = oldest and oldest[1] or ''
end
for _, value in ipairs(redis.call('HGETALL', KEYS[1])) do
  out[#out + 1] = value
end
return out
