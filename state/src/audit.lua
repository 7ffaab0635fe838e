-- Claims the next position in an audit chain, if the end of the chain is still the one that the caller read.
-- KEYS  head, the last sealed positions of all journals, the journal of audit records
-- ARGV  the head as seen or '', the new head, the journal's name, its line about the record
-- Gives '1' if claimed; claiming it twice is claiming it once
local head = redis.call('GET', KEYS[1])
if head == ARGV[2] then
  return {'1'}
end
if (head or '') ~= ARGV[1] then
  return {'0'}
end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('HSETNX', KEYS[2], ARGV[3], '0-0')
redis.call('XADD', KEYS[3], '*', 'e', ARGV[4])
return {'1'}
