-- Asks every component for its variables. If somebody asked just now, gives that question again.
-- KEYS  the last question
-- ARGV  a new question's id, for how long it is given again (ms), channels
-- Gives the question's id, then for each channel how many hear it
local asked = redis.call('GET', KEYS[1])
if not asked then
  local heard = {ARGV[1]}
  for i = 3, #ARGV do
    heard[#heard + 1] = redis.call('PUBLISH', ARGV[i], 'check ' .. ARGV[1])
  end
  asked = table.concat(heard, ' ')
  redis.call('SET', KEYS[1], asked, 'PX', ARGV[2])
end
return asked
