-- Ends entries and runs their follow-ups, all or nothing. If this worker no longer holds an entry, another worker has
-- finished it or it waits again: its follow-ups do not run. The entry of an erased submission is left as it is.
-- Submissions that share an entry come together. flows.lua and count.lua stand before this.
-- KEYS  dead, clock, follow-up bell, erased, minutes (of which it raises how many submissions were scored)
-- ARGV  queue, holder, lease ms, follow-up queue, its channel, bell ms, clock channel, clock ms, announcement of a
--       tick, then the entries to end as JSON: [[id, submission or "", [FOLLOW-UP]]]
--       FOLLOW-UP = ["push", payload] or ["push", payload, flow] (onto the follow-up queue, in this or the entry's flow)
--       | ["delay", until this ms, flow, payload] | ["dead", reason, payload in hex]
--       | ["index", sorted set, ms, member] | ["latest", sorted set, ms, member] (a later time stays) | ["count", hash of a month, field] | ["unpin", key]
--       | ["journal", study, entry] | ["told", set of messages that wait, message]
-- Gives how many of them this call ended, then the erased submissions
local queue, holder = ARGV[1], ARGV[2]
alive(holder, true, clock_ms(), ARGV[3])
local out, ids, left, seen, kept = {0}, {}, {}, {}, {}
local given = cjson.decode(ARGV[10])
if redis.call('HLEN', KEYS[4]) > 0 then
  for _, one in ipairs(given) do
    if one[2] ~= '' and redis.call('HEXISTS', KEYS[4], one[2]) == 1 then
      out[#out + 1] = one[2]
      kept[one[1]] = true
    end
  end
end
for _, one in ipairs(given) do
  if not kept[one[1]] and not seen[one[1]] then
    seen[one[1]] = true
    ids[#ids + 1] = one[1]
  end
end

local flows, mine, held = {}, {}, {}
for first = 1, #ids, MOST_ARGUMENTS do
  local some = {unpack(ids, first, math.min(first + MOST_ARGUMENTS - 1, #ids))}
  for place, value in ipairs(redis.call('HMGET', HELD .. queue, unpack(some))) do
    local owner, flow = string.match(value or '', '^([^%s.]+)%S* %d+ %d+ (.*)$')
    if owner == holder then
      flows[some[place]] = flow
      mine[#mine + 1], held[#held + 1] = some[place], value
    end
  end
end
finished(queue, mine, held)
for _, one in ipairs(given) do
  if flows[one[1]] then left[#left + 1] = one end
end
out[1] = #left

local indexes, counts, studies, scored, pushed, later = {}, {}, {}, 0, false, false
for _, one in ipairs(left) do
  for _, follow_up in ipairs(one[3]) do
    local what, first, second, third = unpack(follow_up)
    if what == 'index' then
      local members = indexes[first] or {}
      members[#members + 1], members[#members + 2] = second, third
      indexes[first] = members
    elseif what == 'latest' then
      redis.call('ZADD', first, 'GT', second, third)
    elseif what == 'count' then
      local counter = counts[first] or {}
      counter[second] = (counter[second] or 0) + 1
      counts[first] = counter
    elseif what == 'journal' then
      redis.call('XADD', JOURNAL .. first, '*', 'e', second)
      studies[first] = true
      if string.sub(second, 1, 7) == 'scored ' then scored = scored + 1 end
    elseif what == 'push' then
      append(ARGV[4], second or flows[one[1]], first, #first, 1)
      pushed = true
    elseif what == 'delay' then
      redis.call('ZADD', DUE, first, queue .. ' ' .. second .. ' ' .. third)
      later = true
    elseif what == 'unpin' then
      redis.call('DEL', first)
    elseif what == 'told' then
      redis.call('SREM', first, second)
    else
      local payload = string.gsub(second, '%x%x', function(byte) return string.char(tonumber(byte, 16)) end)
      redis.call('XADD', KEYS[1], '*', 'q', queue, 'reason', first, 'd', payload)
    end
  end
end
for index, members in pairs(indexes) do
  in_parts('ZADD', index, members)
end
for study in pairs(studies) do
  journaled(study)
end
if scored > 0 then redis.call('HINCRBY', KEYS[5], 'scored', scored) end
for hash, counter in pairs(counts) do
  for field, by in pairs(counter) do
    tally_month(hash, field, by)
  end
end
if pushed and redis.call('SET', KEYS[3], '1', 'NX', 'PX', ARGV[6]) then
  redis.call('PUBLISH', ARGV[5], '')
end
if (pushed or later) and redis.call('SET', KEYS[2], ARGV[9], 'NX', 'PX', ARGV[8]) then
  redis.call('PUBLISH', ARGV[7], ARGV[9])
end
return out
