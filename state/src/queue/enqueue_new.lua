-- Takes many submissions in, as few entries. Works only if all are new, there is room for all, and the settings are the
-- ones they were checked against; else does nothing.
-- Before this stand STATS and SETTINGS (keys), flows.lua, count.lua, and door.lua, which defines `room`, `quota` and
-- `ring`.
-- KEYS  the idempotency record of each submission, no two alike
-- ARGV  revision of the settings or '' when it does not matter, number of counters, number of entries, for each
--       submission: idempotency record, for each counter: field, by how much, for each entry: flow, cost, number of
--       submissions, and the submissions, a line each: one long argument, because Redis reads it without copying it
-- Gives '1' if they were taken in
if ARGV[1] ~= '' and redis.call('HGET', SETTINGS, 'revision') ~= ARGV[1] then return {'0'} end
local count, marks = #KEYS, {}
for number = 1, count do
  marks[2 * number - 1], marks[2 * number] = KEYS[number], ARGV[3 + number]
end
local counters = 4 + count
local entries = counters + 2 * ARGV[2]
local wanted = {}
for e = entries, entries + 4 * ARGV[3] - 1, 4 do
  local key = string.match(ARGV[e], '^[^|]*')
  wanted[key] = (wanted[key] or 0) + ARGV[e + 2]
end
for key, by in pairs(wanted) do
  if quota(key) < by then return {'0'} end
end
if room() < count or redis.call('MSETNX', unpack(marks)) == 0 then return {'0'} end
local last
for e = entries, entries + 4 * ARGV[3] - 1, 4 do
  last = append('score', ARGV[e], ARGV[e + 3], ARGV[e + 1], tonumber(ARGV[e + 2]))
end
for c = counters, entries - 1, 2 do
  tally(STATS, ARGV[c], ARGV[c + 1])
end
ring(last)
return {'1'}
