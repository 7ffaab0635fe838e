-- Names the studies whose journals in Redis are so long that a segment can be sealed.
-- KEYS  the last sealed positions of all journals
-- ARGV  the prefix of a journal's key, the number of entries
local out = {}
for _, study in ipairs(redis.call('HKEYS', KEYS[1])) do
  if redis.call('XLEN', ARGV[1] .. study) >= tonumber(ARGV[2]) then out[#out + 1] = study end
end
return out
