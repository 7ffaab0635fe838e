-- Among the next few dead letters, removes those whose payload contains a text.
-- KEYS dead; ARGV from, how many, text. Gives the last id looked at, '' at the end
local letters = redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2])
local last = ''
for _, letter in ipairs(letters) do
  last = letter[1]
  for i = 1, #letter[2], 2 do
    if letter[2][i] == 'd' and string.find(letter[2][i + 1], ARGV[3], 1, true) then
      redis.call('XDEL', KEYS[1], last)
    end
  end
end
return {last}
