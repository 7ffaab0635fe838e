-- Raises counters of a month that are lower than these; never lowers one. Those of a day and a site for which there is
-- no room, or of a day on which there was none before, are raised together, with `*` for the site. count.lua stands
-- before this.
-- KEYS  hash; ARGV  field, count, for each counter. Gives how many were raised
local raised, others, full = 0, {}, {}
local function raise(field, to)
  local is = redis.call('HGET', KEYS[1], field)
  if tonumber(is or 0) >= to then return end
  local day = not is and string.match(field, '^day|%d+|')
  if day and full[day] == nil then full[day] = redis.call('HEXISTS', KEYS[1], day .. '*') == 1 end
  if day and field ~= day .. '*' and (full[day] or redis.call('HLEN', KEYS[1]) >= MOST_OF_MONTH) then
    others[day .. '*'] = (others[day .. '*'] or 0) + to
  else
    redis.call('HSET', KEYS[1], field, string.format('%.0f', to))
    raised = raised + 1
  end
end
for i = 1, #ARGV, 2 do
  raise(ARGV[i], tonumber(ARGV[i + 1]))
end
for field, to in pairs(others) do
  raise(field, to)
end
return {raised}
