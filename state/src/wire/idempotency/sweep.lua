-- Removes old idempotency records: looks at some records, and the next call goes on. Records of erased submissions stay. No
-- record is old that came in after the oldest submission that waits.
-- KEYS  the stream of submissions, figures of the clock
-- ARGV  prefix of the hashes, now ms, for how many ms records are kept
-- Gives how many were removed
local HASHES, MOST_HASHES, MOST_RECORDS = 4096, 16, 1000
local from = tonumber(ARGV[2])
local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
if oldest then from = math.min(from, tonumber(string.match(oldest[1], '^%d+'))) end
from = from - ARGV[3]
local removed, erased = 0, string.rep('\0', 16)
-- The hash that comes next, and how far it was looked at.
local place, cursor = string.match(redis.call('HGET', KEYS[2], 'swept') or '', '^(%d+) (%d+)$')
place, cursor = tonumber(place) or 0, cursor or '0'
local looked, hashes = 0, 0
while looked < MOST_RECORDS and hashes < MOST_HASHES do
  local hash, old = ARGV[1] .. string.format('%03x', place % HASHES), {}
  local found = redis.call('HSCAN', hash, cursor, 'COUNT', MOST_RECORDS)
  local all = found[2]
  for i = 1, #all, 2 do
    local record = all[i + 1]
    if struct.unpack('>I6', record, 17) < from and string.sub(record, 1, 16) ~= erased then old[#old + 1] = all[i] end
  end
  for first = 1, #old, 1000 do
    redis.call('HDEL', hash, unpack(old, first, math.min(first + 999, #old)))
  end
  removed, looked, cursor = removed + #old, looked + #all / 2, found[1]
  if cursor == '0' then place, hashes = (place + 1) % HASHES, hashes + 1 end
end
redis.call('HSET', KEYS[2], 'swept', place .. ' ' .. cursor)
return {removed}
