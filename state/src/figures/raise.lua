-- Raises counters of a month that are lower than these; never lowers one. Those of a day and a site for which there is
-- no room, or of a day on which there was none before, are raised together, with `*` for the site. count.lua stands
-- before this.
-- KEYS  hash; ARGV  field, count, for each counter. Gives how many were raised
local raised, others, full = 0, {}, {}
local function raise(field, to)
  local is = redis.call('HGET', KEYS[1], field)
  if tonumber(is or 0) >= to then return end
  local day = not is and string.match(field, '^day|(%d+)|[^*]')
  if day then
    local other, share = 'day|' .. day .. '|*', 'sites|' .. day
    if full[day] == nil then full[day] = redis.call('HEXISTS', KEYS[1], other) == 1 end
    local sites = tonumber(redis.call('HGET', KEYS[1], share) or 0)
    if full[day] or sites >= MOST_OF_DAY or redis.call('HLEN', KEYS[1]) >= MOST_OF_MONTH then
      others[other] = (others[other] or 0) + to
      return
    end
    redis.call('HINCRBY', KEYS[1], share, 1)
  end
  redis.call('HSET', KEYS[1], field, string.format('%.0f', to))
  raised = raised + 1
end
for i = 1, #ARGV, 2 do
  raise(ARGV[i], tonumber(ARGV[i + 1]))
end
for field, to in pairs(others) do
  raise(field, to)
end
return {raised}
