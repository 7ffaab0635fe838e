-- Adds to the counters. The hash is bounded: when it is full, a new field is counted under its substitute instead.
-- KEYS  stats
-- ARGV  most fields, then for each counter: field, the one in its place, how many
for i = 2, #ARGV, 3 do
  local field = ARGV[i]
  if redis.call('HEXISTS', KEYS[1], field) == 0 and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[1]) then
    field = ARGV[i + 1]
  end
  redis.call('HINCRBY', KEYS[1], field, ARGV[i + 2])
end
return {}
