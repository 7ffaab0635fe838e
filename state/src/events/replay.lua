-- Puts a subscription back to a time in all journals, and sees to it that the clock looks. flows.lua stands before this.
-- KEYS  positions of subscriptions, clock
-- ARGV  subscription, since when in ms, the position, number of its studies or 0 for all, clock channel, clock ms,
--       announcement of a tick, the studies
local studies = {unpack(ARGV, 8)}
if ARGV[4] == '0' then studies = redis.call('HKEYS', JOURNALS) end
for _, study in ipairs(studies) do
  redis.call('HSET', KEYS[1], ARGV[1] .. ' ' .. study, ARGV[2] .. ' ' .. ARGV[3])
end
redis.call('SET', EVENTS_NEW, '1')
if redis.call('SET', KEYS[2], ARGV[7], 'NX', 'PX', ARGV[6]) then redis.call('PUBLISH', ARGV[5], ARGV[7]) end
return {}
