-- Ends entries and does what follows from them, whole or not at all. An entry that is no longer claimed was finished
-- by somebody else: nothing follows from it a second time. One of an erased submission is left as it is.
-- KEYS  stream, due, dead, clock, follow-up stream, follow-up bell, erased
-- ARGV  group, queue name, follow-up channel, bell ms, clock channel, clock ms, announcement of a tick,
--       then the entries as JSON: [{"id", "submission"?, "followUps": [FOLLOW-UP]}]
--       FOLLOW-UP = {"push": payload} (onto the follow-up stream) | {"delay": [until this ms, payload]}
--       | {"dead": [reason, payload in hex]} | {"index": [sorted set, ms, member]} | {"count": [hash, field]}
-- Gives the number of entries that this call ended, then the erased submissions
-- What many entries add to one key is added by one command. More arguments than this at once are too many for Lua.
local MOST = 1000
local out, ids, left = {0}, {}, {}
local erasures = redis.call('HLEN', KEYS[7]) > 0
for _, entry in ipairs(cjson.decode(ARGV[8])) do
  if erasures and entry.submission and redis.call('HEXISTS', KEYS[7], entry.submission) == 1 then
    out[#out + 1] = entry.submission
  else
    ids[#ids + 1] = entry.id
    left[#left + 1] = entry
  end
end

local acknowledged = 0
for first = 1, #ids, MOST do
  acknowledged = acknowledged + redis.call('XACK', KEYS[1], ARGV[1], unpack(ids, first, math.min(first + MOST - 1, #ids)))
end
if acknowledged == #ids then
  for first = 1, #ids, MOST do
    redis.call('XDEL', KEYS[1], unpack(ids, first, math.min(first + MOST - 1, #ids)))
  end
else
  -- Who ends an entry takes it off the stream: those that are still there are this worker's.
  local mine = {}
  for _, entry in ipairs(left) do
    if redis.call('XDEL', KEYS[1], entry.id) == 1 then
      mine[#mine + 1] = entry
    end
  end
  left = mine
end
out[1] = #left

local indexes, counts, pushed, later = {}, {}, false, false
for _, entry in ipairs(left) do
  for _, follow_up in ipairs(entry.followUps) do
    local what, given = next(follow_up)
    if what == 'index' then
      local members = indexes[given[1]] or {}
      members[#members + 1], members[#members + 2] = given[2], given[3]
      indexes[given[1]] = members
    elseif what == 'count' then
      local counter = counts[given[1]] or {}
      counter[given[2]] = (counter[given[2]] or 0) + 1
      counts[given[1]] = counter
    elseif what == 'push' then
      redis.call('XADD', KEYS[5], '*', 'd', given)
      pushed = true
    elseif what == 'delay' then
      redis.call('ZADD', KEYS[2], given[1], ARGV[2] .. ' ' .. given[2])
      later = true
    else
      local payload = string.gsub(given[2], '%x%x', function(byte) return string.char(tonumber(byte, 16)) end)
      redis.call('XADD', KEYS[3], '*', 'q', ARGV[2], 'reason', given[1], 'd', payload)
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
