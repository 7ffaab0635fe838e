-- Takes many submissions in, as few entries. Works only if all are new, there is room for all, and the settings are the
-- ones they were checked against; else does nothing.
-- Before this stand STATS and SETTINGS (keys), flows.lua, count.lua, door.lua, which defines `room`, `quota` and `ring`,
-- and idempotency.lua.
-- KEYS  the hash of each submission's idempotency record
-- ARGV  revision of the settings or '' when it does not matter, number of counters, number of entries, for each
--       submission: idempotency record, for each counter: field, by how much, for each entry: flow, cost, number of
--       submissions, and the submissions, a line each: one long argument, because Redis reads it without copying it
-- Gives '1' if they were taken in
if ARGV[1] ~= '' and redis.call('HGET', SETTINGS, 'revision') ~= ARGV[1] then return {'0'} end
local count = #KEYS
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
if room() < count then return {'0'} end
for number = 1, count do
  if not remember(KEYS[number], idempotency(ARGV[3 + number])) then
    -- Another is known already: those before it are forgotten again.
    for before = 1, number - 1 do
      redis.call('HDEL', KEYS[before], (idempotency(ARGV[3 + before])))
    end
    return {'0'}
  end
end
local last
for e = entries, entries + 4 * ARGV[3] - 1, 4 do
  last = append('score', ARGV[e], ARGV[e + 3], ARGV[e + 1], tonumber(ARGV[e + 2]))
end
for c = counters, entries - 1, 2 do
  tally(STATS, ARGV[c], ARGV[c + 1])
end
ring(last)
return {'1'}
