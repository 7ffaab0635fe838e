-- When the oldest entry came in that is not finished, for each of these sites of studies. flows.lua stands before this.
-- ARGV  queue, number of entries that do not count, their ids, then the sites, each `study|site`
-- Gives for each site an id or ''
local queue, counted, out, oldest = ARGV[1], tonumber(ARGV[2]), {}, {}
local aside = {}
for i = 3, 2 + counted do aside[ARGV[i]] = true end
local function note(site, id)
  local ms, number = string.match(id, '^(%d+)-(%d+)$')
  ms, number = tonumber(ms), tonumber(number)
  local known = oldest[site]
  if not known or ms < known[1] or ms == known[1] and number < known[2] then oldest[site] = {ms, number, id} end
end
local held = redis.call('HGETALL', HELD .. queue)
for i = 1, #held, 2 do
  if not aside[held[i]] then
    note(string.match(held[i + 1], '^%S+ %d+ %d+ [^|]*|(.*)$'), held[i])
  end
end
local keys = redis.call('ZRANGE', RING .. queue, 0, -1)
for i = 3 + counted, #ARGV do
  for _, key in ipairs(keys) do
    local first = redis.call('LINDEX', FLOW .. queue .. ':' .. key .. '|' .. ARGV[i], 0)
    if first then note(ARGV[i], string.match(first, '^%S+')) end
  end
  out[#out + 1] = oldest[ARGV[i]] and oldest[ARGV[i]][3] or ''
end
return out
