-- Ends entries and does what follows from them, whole or not at all. An entry that is no longer claimed was finished
-- by somebody else: nothing follows from it a second time.
-- KEYS  stream, due, dead, clock, follow-up stream, follow-up bell, then indexes and hashes of counters
-- ARGV  group, queue name, follow-up channel, bell ms, clock channel, clock ms,
--       announcement of a tick, then for each entry: id, number of follow-ups, and for each of them: what, when or why, payload
--       what = 'push' (onto the follow-up stream), 'delay' (until the given ms), 'dead' (for the given reason),
--       'index' (into the index at this place of KEYS; payload: ms, most that it holds or 0, id), 'unseen' (out of it; id),
--       'count' (one more in the hash at this place of KEYS; payload: field)
-- Gives the number of entries that this call ended
local i, ended, pushed, later = 8, 0, false, false
local counts = {}
while ARGV[i] do
  local id, follow_ups = ARGV[i], tonumber(ARGV[i + 1])
  i = i + 2
  local mine = redis.call('XACK', KEYS[1], ARGV[1], id) == 1
  if mine then
    redis.call('XDEL', KEYS[1], id)
    ended = ended + 1
  end
  for _ = 1, follow_ups do
    if mine then
      local what, when, payload = ARGV[i], ARGV[i + 1], ARGV[i + 2]
      if what == 'push' then
        redis.call('XADD', KEYS[5], '*', 'd', payload)
        pushed = true
      elseif what == 'delay' then
        redis.call('ZADD', KEYS[2], when, ARGV[2] .. ' ' .. payload)
        later = true
      elseif what == 'index' then
        local index, at, most, member = KEYS[tonumber(when)], string.match(payload, '^(%-?%d+) (%d+) (.+)$')
        redis.call('ZADD', index, at, member)
        -- The first stays, and the latest: who is second falls out.
        if most ~= '0' and redis.call('ZCARD', index) > tonumber(most) then
          redis.call('ZREMRANGEBYRANK', index, 1, 1)
        end
      elseif what == 'count' then
        local counter = counts[when] or {}
        counter[payload] = (counter[payload] or 0) + 1
        counts[when] = counter
      elseif what == 'unseen' then
        redis.call('ZREM', KEYS[tonumber(when)], payload)
      else
        redis.call('XADD', KEYS[3], '*', 'q', ARGV[2], 'reason', when, 'd', payload)
      end
    end
    i = i + 3
  end
end
for key, counter in pairs(counts) do
  for field, count in pairs(counter) do
    redis.call('HINCRBY', KEYS[tonumber(key)], field, count)
  end
end
if pushed and redis.call('SET', KEYS[6], '1', 'NX', 'PX', ARGV[4]) then
  redis.call('PUBLISH', ARGV[3], '')
end
if (pushed or later) and redis.call('SET', KEYS[4], ARGV[7], 'NX', 'PX', ARGV[6]) then
  redis.call('PUBLISH', ARGV[5], ARGV[7])
end
return {ended}
