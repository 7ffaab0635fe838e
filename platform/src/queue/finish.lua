-- Ends entries and does what follows from them, whole or not at all. An entry that is no longer claimed was finished
-- by somebody else: nothing follows from it a second time. One of an erased submission is left as it is. The submissions
-- that share an entry come together.
-- KEYS  stream, due, dead, clock, follow-up stream, follow-up bell, erased, how many submissions there are beyond one for
--       each entry
-- ARGV  group, queue name, follow-up channel, bell ms, clock channel, clock ms, announcement of a tick, what the once marks
--       of submissions begin with, for how many seconds they stay,
--       then what is ended as JSON: [[id, submission or "", [FOLLOW-UP]]]
--       FOLLOW-UP = ["push", payload] (onto the follow-up stream) | ["delay", until this ms, payload]
--       | ["dead", reason, payload in hex] | ["index", sorted set, ms, member] | ["count", hash, field]
-- Gives how many of them this call ended, then the erased submissions
-- What many entries add to one key is added by one command. More arguments than this at once are too many for Lua.
local MOST = 1000
local out, ids, left, rows, kept = {0}, {}, {}, {}, {}
local given = cjson.decode(ARGV[10])
if redis.call('HLEN', KEYS[7]) > 0 then
  for _, one in ipairs(given) do
    if one[2] ~= '' and redis.call('HEXISTS', KEYS[7], one[2]) == 1 then
      out[#out + 1] = one[2]
      kept[one[1]] = true
    end
  end
end
for _, one in ipairs(given) do
  local id = one[1]
  if not kept[id] then
    if not rows[id] then ids[#ids + 1] = id end
    rows[id] = (rows[id] or 0) + 1
    left[#left + 1] = one
  end
end

local acknowledged, ended = 0, 0
for first = 1, #ids, MOST do
  acknowledged = acknowledged + redis.call('XACK', KEYS[1], ARGV[1], unpack(ids, first, math.min(first + MOST - 1, #ids)))
end
if acknowledged == #ids then
  for first = 1, #ids, MOST do
    redis.call('XDEL', KEYS[1], unpack(ids, first, math.min(first + MOST - 1, #ids)))
  end
  ended = #ids
else
  -- Who ends an entry takes it off the stream: those that are still there are this worker's.
  for _, id in ipairs(ids) do
    local mine = redis.call('XDEL', KEYS[1], id)
    ended = ended + mine
    rows[id] = mine == 1 and rows[id] or nil
  end
  local mine = {}
  for _, one in ipairs(left) do
    if rows[one[1]] then mine[#mine + 1] = one end
  end
  left = mine
end
if #left > ended and redis.call('DECRBY', KEYS[8], #left - ended) < 0 then
  -- The stream was trimmed by hand.
  redis.call('DEL', KEYS[8])
end
out[1] = #left

local indexes, counts, pushed, later = {}, {}, false, false
for _, one in ipairs(left) do
  if one[2] ~= '' then
    redis.call('EXPIRE', ARGV[8] .. one[2], ARGV[9])
  end
  for _, follow_up in ipairs(one[3]) do
    local what, first, second, third = unpack(follow_up)
    if what == 'index' then
      local members = indexes[first] or {}
      members[#members + 1], members[#members + 2] = second, third
      indexes[first] = members
    elseif what == 'count' then
      local counter = counts[first] or {}
      counter[second] = (counter[second] or 0) + 1
      counts[first] = counter
    elseif what == 'push' then
      redis.call('XADD', KEYS[5], '*', 'd', first)
      pushed = true
    elseif what == 'delay' then
      redis.call('ZADD', KEYS[2], first, ARGV[2] .. ' ' .. second)
      later = true
    else
      local payload = string.gsub(second, '%x%x', function(byte) return string.char(tonumber(byte, 16)) end)
      redis.call('XADD', KEYS[3], '*', 'q', ARGV[2], 'reason', first, 'd', payload)
    end
  end
end
for index, members in pairs(indexes) do
  for first = 1, #members, MOST do
    redis.call('ZADD', index, unpack(members, first, math.min(first + MOST - 1, #members)))
  end
end
for hash, counter in pairs(counts) do
  for field, count in pairs(counter) do
    redis.call('HINCRBY', hash, field, count)
  end
end
if pushed and redis.call('SET', KEYS[6], '1', 'NX', 'PX', ARGV[4]) then
  redis.call('PUBLISH', ARGV[3], '')
end
if (pushed or later) and redis.call('SET', KEYS[4], ARGV[7], 'NX', 'PX', ARGV[6]) then
  redis.call('PUBLISH', ARGV[5], ARGV[7])
end
return out
