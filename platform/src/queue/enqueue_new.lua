-- Takes many submissions in as one entry if all of them are new and there is room for all; else it does nothing.
-- Before this stand STATS (a key) and door.lua, which defines `room` and `ring`.
-- KEYS  the once mark of each submission
-- ARGV  the submissions, a line each, then for each counter: field, by how much, then for each submission: content hash
--       and facts
-- Gives '1' if they were taken in
local count, marks, seen = #KEYS, {}, {}
local before = #ARGV - count
for number, key in ipairs(KEYS) do
  if seen[key] then return {'0'} end
  seen[key] = true
  marks[2 * number - 1], marks[2 * number] = key, ARGV[before + number]
end
if room() < count or redis.call('MSETNX', unpack(marks)) == 0 then return {'0'} end
local entry = redis.call('XADD', STREAM, '*', 'd', ARGV[1], 'n', count)
redis.call('INCRBY', MORE, count - 1)
for i = 2, before, 2 do
  redis.call('HINCRBY', STATS, ARGV[i], ARGV[i + 1])
end
ring(entry)
return {'1'}
