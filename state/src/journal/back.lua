-- Reads the end of a journal backwards, as far as Redis has it.
-- KEYS  the last sealed positions of all journals, the journal
-- ARGV  study, the position after the entries, the position before them, the most entries
-- Gives the last sealed position, then position and text of each entry, the last first
local out = {redis.call('HGET', KEYS[1], ARGV[1]) or '0-0'}
for _, entry in ipairs(redis.call('XREVRANGE', KEYS[2], '(' .. ARGV[2], '(' .. ARGV[3], 'COUNT', ARGV[4])) do
  out[#out + 1], out[#out + 2] = entry[1], entry[2][2]
end
return out
