-- Remembers submissions that are stored. Before this stands idempotency.lua.
-- KEYS  the hash of each submission's record
-- ARGV  the record of each
-- Gives how many were not remembered
local count = 0
for number = 1, #KEYS do
  if remember(KEYS[number], idempotency(ARGV[number])) then count = count + 1 end
end
return {count}
