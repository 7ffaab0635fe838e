-- Takes submissions in, each as enqueue.lua does: remembers it, counts it, appends it. Then rings once.
-- When the stream is full the rest is not taken in; what was taken in before is still told.
-- KEYS  stream, bell, clock, stats, then the once mark of each submission
-- ARGV  days to remember, capacity, bell channel, bell ms, clock channel, clock ms, announcement of a tick,
--       then for each submission: content hash, facts, stats suffix, payload
-- Gives for each submission: 'queued', '' | 'full', '' | 'gone', '' | 'duplicate', first facts | 'conflict', first facts
local out = {}
local room = tonumber(ARGV[2]) - redis.call('XLEN', KEYS[1])
local seconds = tonumber(ARGV[1]) * 86400
local counts, taken = {}, 0
for n = 5, #KEYS do
  local i = 8 + (n - 5) * 4
  local outcome, facts = 'full', ''
  local first = redis.call('GET', KEYS[n])
  if first then
    local cut = string.find(first, ' ', 1, true)
    local mark = string.sub(first, 1, cut - 1)
    outcome = mark == 'erased' and 'gone' or mark == ARGV[i] and 'duplicate' or 'conflict'
    facts = string.sub(first, cut + 1)
  elseif taken < room then
    redis.call('SET', KEYS[n], ARGV[i] .. ' ' .. ARGV[i + 1], 'EX', seconds)
    redis.call('XADD', KEYS[1], '*', 'd', ARGV[i + 3])
    taken = taken + 1
    outcome = 'queued'
  end
  if outcome ~= 'full' and outcome ~= 'gone' then
    local counter = (outcome == 'queued' and 'accepted' or outcome) .. ARGV[i + 2]
    counts[counter] = (counts[counter] or 0) + 1
  end
  out[#out + 1] = outcome
  out[#out + 1] = facts
end
for counter, count in pairs(counts) do
  redis.call('HINCRBY', KEYS[4], counter, count)
end
if taken > 0 then
  if redis.call('SET', KEYS[2], '1', 'NX', 'PX', ARGV[4]) then
    redis.call('PUBLISH', ARGV[3], '')
  end
  if redis.call('SET', KEYS[3], ARGV[7], 'NX', 'PX', ARGV[6]) then
    redis.call('PUBLISH', ARGV[5], ARGV[7])
  end
end
return out
