-- Adds to the counters. The hash keeps its bounds: once it is large, a new place is counted as an unknown one.
-- KEYS  stats
-- ARGV  most fields, then for each counter: outcome, study|site, kind, how many
for i = 2, #ARGV, 4 do
  local field = ARGV[i] .. '|' .. ARGV[i + 1] .. '|' .. ARGV[i + 2]
  if redis.call('HEXISTS', KEYS[1], field) == 0 and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[1]) then
    field = ARGV[i] .. '|*|*|' .. ARGV[i + 2]
  end
  redis.call('HINCRBY', KEYS[1], field, ARGV[i + 3])
end
return {}
