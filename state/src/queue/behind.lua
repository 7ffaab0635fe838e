-- For each of these sites of studies, finds when its oldest unfinished entry came in. flows.lua stands before this.
-- ARGV  queue, number of entries that do not count, their ids, then the sites, each `study|site`
-- Gives for each site an id or ''
local queue, counted, out, oldest = ARGV[1], tonumber(ARGV[2]), {}, {}
local aside = {}
for i = 3, 2 + counted do aside[ARGV[i]] = true end
local function note(site, id)
  if not oldest[site] or before(id, oldest[site]) then oldest[site] = id end
end
-- An entry that was lost with a worker may have got a new id. This looks up the id with which it came in.
local function note_lost(site, id)
  note(site, string.match(redis.call('HGET', LOST .. queue, id) or id, '^%S+'))
end
local function is_again(key)
  return key == RETRY or key == SUSPECT
end
local held = redis.call('HGETALL', HELD .. queue)
for i = 1, #held, 2 do
  if not aside[held[i]] then
    local key, site = string.match(held[i + 1], '^%S+ %d+ %d+ ([^|]*)|(.*)$')
    local note = is_again(key) and note_lost or note
    note(site, held[i])
  end
end
local keys = redis.call('ZRANGE', RING .. queue, 0, -1)
for i = 3 + counted, #ARGV do
  for _, key in ipairs(keys) do
    local flow, lost = FLOW .. queue .. ':' .. key .. '|' .. ARGV[i], is_again(key)
    -- In a normal flow the first entry is the oldest. Lost entries wait in the order in which they were lost, so all
    -- are read.
    for _, waiting in ipairs(redis.call('LRANGE', flow, 0, lost and -1 or 0)) do
      local note = lost and note_lost or note
      note(ARGV[i], string.match(waiting, '^%S+'))
    end
  end
  out[#out + 1] = oldest[ARGV[i]] or ''
end
return out
