-- Appends entries to a journal, after everything that is sealed.
-- KEYS  the last sealed positions of all journals, the journal
-- ARGV  study, the last sealed position as the store has it, then the entries
redis.call('HSETNX', KEYS[1], ARGV[1], '0-0')
-- An entry at that position, if it is later than all there were, makes the next ones later than it.
local mark = redis.pcall('XADD', KEYS[2], ARGV[2], 'e', '')
if type(mark) == 'string' then redis.call('XDEL', KEYS[2], mark) end
for i = 3, #ARGV do
  redis.call('XADD', KEYS[2], '*', 'e', ARGV[i])
end
return {}
