-- Adds to the counters of the doors. count.lua stands before this.
-- KEYS  stats
-- ARGV  for each counter: field, how many
for i = 1, #ARGV, 2 do
  tally(KEYS[1], ARGV[i], ARGV[i + 1])
end
return {}
