-- Puts a subscription back to a time in all journals. flows.lua stands before this.
-- KEYS  positions of subscriptions
-- ARGV  subscription, since when in ms, the position, number of its studies or 0 for all, the studies
local studies = {unpack(ARGV, 5)}
if ARGV[4] == '0' then studies = redis.call('HKEYS', JOURNALS) end
for _, study in ipairs(studies) do
  -- The journal of looks is of no study: nobody subscribes to it.
  if string.sub(study, 1, 1) ~= '*' then
    redis.call('HSET', KEYS[1], ARGV[1] .. ' ' .. study, ARGV[2] .. ' ' .. ARGV[3])
  end
end
return {}
