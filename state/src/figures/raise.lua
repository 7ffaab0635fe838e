-- Raises counters that are lower than these; never lowers one.
-- KEYS  hash; ARGV  field, count, for each counter. Gives how many were raised
local raised = 0
for i = 1, #ARGV, 2 do
  if tonumber(redis.call('HGET', KEYS[1], ARGV[i]) or 0) < tonumber(ARGV[i + 1]) then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
    raised = raised + 1
  end
end
return {raised}
