-- Takes many submissions in as one entry if all of them are new, there is room for all and the settings are those by
-- which they were checked; else it does nothing.
-- Before this stand STATS and SETTINGS (keys) and door.lua, which defines `room` and `ring`.
-- KEYS  the once mark of each submission, no two alike
-- ARGV  revision of the settings or '' when it does not matter, for each submission: content hash and facts, for each
--       counter: field, by how much, and last, because Redis reads what is long without copying it, the submissions, a
--       line each
-- Gives '1' if they were taken in
if ARGV[1] ~= '' and redis.call('HGET', SETTINGS, 'revision') ~= ARGV[1] then return {'0'} end
local count, marks = #KEYS, {}
for number = 1, count do
  marks[2 * number - 1], marks[2 * number] = KEYS[number], ARGV[number + 1]
end
if room() < count or redis.call('MSETNX', unpack(marks)) == 0 then return {'0'} end
local entry = redis.call('XADD', STREAM, '*', 'd', ARGV[#ARGV], 'n', count)
redis.call('INCRBY', MORE, count - 1)
for i = count + 2, #ARGV - 1, 2 do
  redis.call('HINCRBY', STATS, ARGV[i], ARGV[i + 1])
end
ring(entry)
return {'1'}
