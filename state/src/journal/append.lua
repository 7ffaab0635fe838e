-- Appends entries to a journal, after everything that is sealed. flows.lua stands before this.
-- KEYS  the journal
-- ARGV  study, the last sealed position as the store has it, then the entries
-- An entry at that position, if it is later than all there were, makes the next ones later than it.
local mark = redis.pcall('XADD', KEYS[1], ARGV[2], 'e', '')
if type(mark) == 'string' then redis.call('XDEL', KEYS[1], mark) end
for i = 3, #ARGV do
  redis.call('XADD', KEYS[1], '*', 'e', ARGV[i])
end
journaled(ARGV[1])
return {}
