-- Removes the old records of 16 hashes of idempotency records; the next call looks at the next hashes. Records of erased
-- submissions stay. No record is old that came in after the oldest submission that waits.
-- KEYS  the stream of submissions, figures of the clock
-- ARGV  prefix of the hashes, now ms, for how many ms records are kept
-- Gives how many were removed
local from = tonumber(ARGV[2])
local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
if oldest then from = math.min(from, tonumber(string.match(oldest[1], '^%d+'))) end
from = from - ARGV[3]
local removed, erased = 0, string.rep('\0', 16)
local last = redis.call('HINCRBY', KEYS[2], 'swept', 16)
for place = last - 15, last do
  local hash = ARGV[1] .. string.format('%04x', place % 65536)
  local all, old = redis.call('HGETALL', hash), {}
  for i = 1, #all, 2 do
    local record = all[i + 1]
    if struct.unpack('>I6', record, 17) < from and string.sub(record, 1, 16) ~= erased then old[#old + 1] = all[i] end
  end
  for first = 1, #old, 1000 do
    redis.call('HDEL', hash, unpack(old, first, math.min(first + 999, #old)))
  end
  removed = removed + #old
end
return {removed}
