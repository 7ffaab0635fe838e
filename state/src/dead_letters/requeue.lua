-- Puts dead letters back onto their queues. Each is always in one of the two places, never in both or neither. They
-- wait in a flow of their own. flows.lua stands before this.
-- KEYS  dead, clock, then for each queue: bell
-- ARGV  bell ms, clock channel, clock ms, announcement of a tick, number of queues, for each of them: name, channel;
--       then the letters' ids
-- Gives how many were put back. Those of a queue that nobody here knows stay.
local queues, moved = tonumber(ARGV[5]), 0
local place, rings = {}, {}
for q = 1, queues do
  place[ARGV[4 + q * 2]] = q
end
for i = 6 + queues * 2, #ARGV do
  local letter = redis.call('XRANGE', KEYS[1], ARGV[i], ARGV[i])[1]
  local q = letter and place[letter[2][2]]
  if q then
    append(letter[2][2], '||', letter[2][6], most_cost(letter[2][6]), 1)
    redis.call('XDEL', KEYS[1], ARGV[i])
    moved = moved + 1
    rings[q] = true
  end
end
for q in pairs(rings) do
  if redis.call('SET', KEYS[2 + q], '1', 'NX', 'PX', ARGV[1]) then
    redis.call('PUBLISH', ARGV[5 + q * 2], '')
  end
end
if moved > 0 and redis.call('SET', KEYS[2], ARGV[4], 'NX', 'PX', ARGV[3]) then
  redis.call('PUBLISH', ARGV[2], ARGV[4])
end
return {moved}
