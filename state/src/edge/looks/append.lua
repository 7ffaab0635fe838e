-- Appends looks to the journal of looks. Sent again, it appends each once.
-- KEYS  the last sealed positions of all journals, the journal, settings
-- ARGV  the journal's name, '1' if the script is sent again, the study that a program read or '' for other looks, then the
--       looks
-- Nothing is appended if the settings in force say that reads of programs are not recorded in the study: they have such
-- studies between blanks
if ARGV[3] ~= '' then
  local unrecorded = redis.call('HGET', KEYS[3], 'unrecorded') or ''
  if string.find(unrecorded, ' ' .. ARGV[3] .. ' ', 1, true) then return {} end
end
local there = {}
if ARGV[2] == '1' then
  for _, entry in ipairs(redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 256)) do there[entry[2][2]] = true end
end
redis.call('HSETNX', KEYS[1], ARGV[1], '0-0')
for i = 4, #ARGV do
  if not there[ARGV[i]] then redis.call('XADD', KEYS[2], '*', 'e', ARGV[i]) end
end
return {}
