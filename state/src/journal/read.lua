-- Reads the end of a study's journal.
-- KEYS  the last sealed positions of all journals, the journal
-- ARGV  study, the position before the first entry, the most entries
-- Gives the last sealed position, then position and text of each entry
local out = {redis.call('HGET', KEYS[1], ARGV[1]) or '0-0'}
for _, entry in ipairs(redis.call('XRANGE', KEYS[2], '(' .. ARGV[2], '+', 'COUNT', ARGV[3])) do
  out[#out + 1], out[#out + 2] = entry[1], entry[2][2]
end
return out
