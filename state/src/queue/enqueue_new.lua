-- Takes many submissions in, as few entries. Works only if all are new, there is room for all, their studies take them in,
-- and the settings are the ones they were checked against; else does nothing.
-- Before this stand STATS, SETTINGS and STUDIES_ERASING (keys), flows.lua, count.lua, door.lua, which defines `room`,
-- `quota`, `ring` and `is_erasing`, idempotency.lua, and taken.lua, which defines `not_taken`.
-- KEYS  hashes of idempotency records
-- ARGV  revision of the settings or '' when it does not matter, number of counters, number of entries, for each
--       hash: number of its records, for each submission in the order of hashes: idempotency record, for each counter:
--       field, by how much, when the last of these was written and the revision of the study's own settings (taken.lua),
--       for each entry: flow, cost, number of submissions, and the submissions, a line each: one long argument, because
--       Redis reads it without copying it
-- Gives '1' if they were taken in
if ARGV[1] ~= '' and redis.call('HGET', SETTINGS, 'revision') ~= ARGV[1] then return {'0'} end
local records, count = 4 + #KEYS, 0
for number = 1, #KEYS do
  count = count + ARGV[3 + number]
end
local counters = records + count
local entries = counters + 3 * ARGV[2]
for c = counters, entries - 1, 3 do
  if not_taken(string.match(ARGV[c], '|.*'), ARGV[c + 2]) then return {'0'} end
end
local wanted, studies_erasing = {}, redis.call('EXISTS', STUDIES_ERASING) == 1
for e = entries, entries + 4 * ARGV[3] - 1, 4 do
  if studies_erasing and is_erasing(ARGV[e]) then return {'0'} end
  local key = string.match(ARGV[e], '^[^|]*')
  wanted[key] = (wanted[key] or 0) + ARGV[e + 2]
end
for key, by in pairs(wanted) do
  if quota(key) < by then return {'0'} end
end
if room() < count then return {'0'} end
if not remember_new(KEYS, ARGV, 4) then return {'0'} end
local last
for e = entries, entries + 4 * ARGV[3] - 1, 4 do
  last = append('score', ARGV[e], ARGV[e + 3], ARGV[e + 1], tonumber(ARGV[e + 2]))
end
for c = counters, entries - 1, 3 do
  tally(STATS, ARGV[c], ARGV[c + 1])
end
ring(last)
return {'1'}
