-- Takes one submission in: remembers it, counts it, appends it, rings. All of it or nothing.
-- KEYS  once mark, stream, bell, clock, stats, settings; for an amendment also: the amended one's once mark and
--       superseded mark; with limits, after these two or two fillers: a token bucket for each limit
-- ARGV  content hash, facts, days to remember, capacity, payload, bell channel, bell ms, clock channel, clock ms,
--       stats suffix, announcement of a tick, revision of the settings by which it was checked; for an amendment also:
--       the submission's id; with limits, after this or '': for each limit microseconds per token, microseconds per burst
-- Gives 'queued' | 'full' | 'duplicate', first facts | 'conflict', first facts | 'gone'
--       | 'amends-unknown' | 'amends-gone' | 'not-current' | 'limited', milliseconds to wait
--       | 'stale': other settings are in force
-- With limits, limits.lua stands before this and defines `take`.
if redis.call('HGET', KEYS[6], 'revision') ~= ARGV[12] then
  return {'stale'}
end
local amends = ARGV[13] and ARGV[13] ~= ''
local first = redis.call('GET', KEYS[1])
if first then
  local cut = string.find(first, ' ', 1, true)
  local mark = string.sub(first, 1, cut - 1)
  if mark == 'erased' then
    return {'gone'}
  end
  local same = mark == ARGV[1]
  local outcome = same and 'duplicate' or 'conflict'
  if ARGV[14] then take() end
  redis.call('HINCRBY', KEYS[5], outcome .. ARGV[10], 1)
  return {outcome, string.sub(first, cut + 1)}
end
if amends then
  local amended = redis.call('GET', KEYS[7])
  if not amended or string.match(amended, '^%S+ (%S+ %S+) ') ~= string.match(ARGV[2], '^(%S+ %S+) ') then
    return {'amends-unknown'}
  end
  if string.sub(amended, 1, 7) == 'erased ' then
    return {'amends-gone'}
  end
  if redis.call('EXISTS', KEYS[8]) == 1 then
    return {'not-current'}
  end
end
if redis.call('XLEN', KEYS[2]) >= tonumber(ARGV[4]) then
  return {'full'}
end
if ARGV[14] then take() end
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[2], 'EX', tonumber(ARGV[3]) * 86400)
if amends then
  redis.call('SET', KEYS[8], ARGV[13], 'EX', tonumber(ARGV[3]) * 86400)
end
redis.call('XADD', KEYS[2], '*', 'd', ARGV[5])
redis.call('HINCRBY', KEYS[5], 'accepted' .. ARGV[10], 1)
if redis.call('SET', KEYS[3], '1', 'NX', 'PX', ARGV[7]) then
  redis.call('PUBLISH', ARGV[6], '')
end
if redis.call('SET', KEYS[4], ARGV[11], 'NX', 'PX', ARGV[9]) then
  redis.call('PUBLISH', ARGV[8], ARGV[11])
end
return {'queued'}
