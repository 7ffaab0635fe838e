-- Puts a head in the place of the last one, if that is still the one that the caller read.
-- KEYS  the last head, the mark of the pause
-- ARGV  the last head as seen or '', the next, '1' if more is to be read, so that no pause follows
-- Gives '1' if it is the last head now; doing it twice is doing it once
local head = redis.call('GET', KEYS[1]) or ''
if head ~= ARGV[2] then
  if head ~= ARGV[1] then return {'0'} end
  redis.call('SET', KEYS[1], ARGV[2])
end
if ARGV[3] == '1' then redis.call('DEL', KEYS[2]) end
return {'1'}
