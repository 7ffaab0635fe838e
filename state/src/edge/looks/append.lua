-- Appends a look to the journal of looks. Sent again, it appends it once.
-- KEYS  the last sealed positions of all journals, the journal
-- ARGV  the journal's name, the look, '1' if the script is sent again
if ARGV[3] == '1' then
  for _, entry in ipairs(redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 256)) do
    if entry[2][2] == ARGV[2] then return {} end
  end
end
redis.call('HSETNX', KEYS[1], ARGV[1], '0-0')
redis.call('XADD', KEYS[2], '*', 'e', ARGV[2])
return {}
