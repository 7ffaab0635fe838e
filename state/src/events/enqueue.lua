-- Puts messages of a subscription onto the dispatch queue, and moves its position, unless somebody else has moved it.
-- flows.lua stands before this.
-- KEYS  positions of subscriptions, its waiting messages
-- ARGV  subscription and study, how far it is, how far it is then, then for each message: id, flow, payload
-- Gives how many messages there are that did not wait already
if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then return {0} end
local count = 0
for i = 4, #ARGV, 3 do
  if redis.call('SADD', KEYS[2], ARGV[i]) == 1 then
    append('dispatch', ARGV[i + 1], ARGV[i + 2], #ARGV[i + 2], 1)
    count = count + 1
  end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return {count}
