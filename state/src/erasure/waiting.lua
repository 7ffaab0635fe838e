-- Among the next few entries of a queue, counts those whose payload contains a text.
-- KEYS stream; ARGV from, how many, text. Gives the last id looked at or '' at the end, and how many
local entries, last, count = redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2]), '', 0
for _, entry in ipairs(entries) do
  last = entry[1]
  for i = 1, #entry[2], 2 do
    if entry[2][i] == 'd' and string.find(entry[2][i + 1], ARGV[3], 1, true) then
      count = count + 1
    end
  end
end
return {last, count}
