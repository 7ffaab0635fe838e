-- Hands out entries of the flows whose turn it is, until the most submissions or the most cost is reached.
-- flows.lua stands before this.
-- KEYS  bell, settings
-- ARGV  queue, holder, '1' if it is known, lease ms, most submissions, most cost, the cost of one turn, '1' to take the
--       bell down when there is nothing, which claim of the holder's this is, '1' if it is made again because there was
--       no reply
-- Gives the revision of the settings in force or '', then id, attempt, number of submissions, payload for each entry
local queue, holder, claimed = ARGV[1], ARGV[2], ARGV[2] .. '.' .. ARGV[9]
local left, budget, turn = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
-- While several API keys wait, a claim takes a quarter only. A sender waits for the claims before its own, and these
-- end sooner then. A turn takes at most an eighth of a claim, so a claim serves several senders even with few entries.
if redis.call('ZCARD', RING .. queue) > 1 then
  left, budget = math.max(1, math.floor(left / 4)), math.floor(budget / 4)
end
local share = math.max(1, math.floor(left / 8))
local out, held, now = {redis.call('HGET', KEYS[2], 'revision') or ''}, {}, clock_ms()
alive(holder, ARGV[3] == '1', now, ARGV[4])
bury(now)

local function give(id, cost, count, flow)
  local entry = redis.call('XRANGE', STREAM .. queue, id, id)[1]
  if not entry then
    -- Somebody removed it from the stream by hand.
    burden(queue, flow, -count)
    return
  end
  local attempt, key = 1, string.match(flow, '^[^|]*')
  if key == RETRY or key == SUSPECT then attempt = 1 + losses(redis.call('HGET', LOST .. queue, id)) end
  local to = #out
  out[to + 1], out[to + 2], out[to + 3], out[to + 4] = id, attempt, count, entry[2][2]
  held[#held + 1], held[#held + 2] = id, claimed .. ' ' .. cost .. ' ' .. count .. ' ' .. flow
  left = left - count
end

-- The reply to this claim was lost: hand out again all that it took.
if ARGV[10] == '1' then
  local all = redis.call('HGETALL', HELD .. queue)
  for i = 1, #all, 2 do
    local owner, cost, count, flow = string.match(all[i + 1], '^(%S+) (%d+) (%d+) (.*)$')
    if owner == claimed then give(all[i], cost, tonumber(count), flow) end
  end
  if #out > 1 then return out end
end

while left > 0 and budget > 0 do
  local keys = RING .. queue
  local key = redis.call('ZRANGE', keys, 0, 0)[1]
  if not key then break end
  if key == SUSPECT then
    if #out > 1 then break end
    left = 1
  end
  local studies = keys .. ':' .. key
  local study = redis.call('ZRANGE', studies, 0, 0)[1]
  local sites = studies .. '|' .. study
  local site = redis.call('ZRANGE', sites, 0, 0)[1]
  local flow = key .. '|' .. study .. '|' .. site
  -- If nobody else waits, there are no turns.
  local alone = redis.call('ZCARD', keys) + redis.call('ZCARD', studies) + redis.call('ZCARD', sites) == 3
  local room = alone and budget or math.min(turn, budget)
  local entries, spent, full = 0, 0, false
  local most = math.min(left, alone and 256 or share)
  local some = redis.call('LRANGE', FLOW .. queue .. ':' .. flow, 0, most - 1)
  for _, waiting in ipairs(some) do
    local id, cost, count = string.match(waiting, '^(%S+) (%d+) (%d+)$')
    cost, count = tonumber(cost), tonumber(count)
    -- An entry that costs more than the room left is handed out alone.
    if entries > 0 and spent + cost > room then break end
    full = #out > 1 and cost > budget
    if full then break end
    give(id, cost, count, flow)
    entries, spent, budget = entries + 1, spent + cost, budget - cost
    if left <= 0 then break end
  end
  if entries > 0 then serve(queue, flow, entries, spent) end
  if full then break end
end

in_parts('HSET', HELD .. queue, held)
if #out == 1 and ARGV[8] == '1' then
  redis.call('DEL', KEYS[1])
end
return out
