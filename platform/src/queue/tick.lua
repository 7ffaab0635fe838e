-- One tick of the clock: moves what is due onto its stream, rings for what waits, and publishes the next tick while
-- anything is left to watch.
-- KEYS  clock, due, then for each queue: stream, bell; last: dead
-- ARGV  group, now ms, lease ms, bell ms, clock channel, clock ms, most to move, the running tick's lease or '',
--       announcement of the next tick, '1' if there is always something to watch, then for each queue: name, channel
-- Gives entries moved, '1' if the clock goes on
local now, moved = tonumber(ARGV[2]), 0
if ARGV[8] ~= '' and redis.call('GET', KEYS[1]) ~= ARGV[8] then
  -- The lease ran out and somebody else ticks.
  return {0, '0'}
end
local stream_of = {}
for q = 11, #ARGV, 2 do
  stream_of[ARGV[q]] = KEYS[3 + (q - 11)]
end
for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, tonumber(ARGV[7]))) do
  local cut = string.find(member, ' ', 1, true)
  local stream = cut and stream_of[string.sub(member, 1, cut - 1)]
  if stream then
    redis.call('XADD', stream, '*', 'd', string.sub(member, cut + 1))
    redis.call('ZREM', KEYS[2], member)
    moved = moved + 1
  else
    -- Written by another version: nobody here can do it, and it must not be waited for.
    redis.call('XADD', KEYS[#KEYS], '*', 'q', 'due', 'reason', 'unreadable-entry', 'd', member)
    redis.call('ZREM', KEYS[2], member)
  end
end
local watching = ARGV[10] == '1'
for q = 11, #ARGV, 2 do
  local stream, bell, channel = KEYS[3 + (q - 11)], KEYS[4 + (q - 11)], ARGV[q + 1]
  local length = redis.call('XLEN', stream)
  if length > 0 then
    watching = true
    local pending = redis.pcall('XPENDING', stream, ARGV[1])
    local claimed = pending.err and 0 or pending[1]
    local stalled = claimed > 0
      and #redis.call('XPENDING', stream, ARGV[1], 'IDLE', ARGV[3], '-', '+', 1) > 0
    if length > claimed or stalled then
      redis.call('SET', bell, '1', 'PX', ARGV[4])
      redis.call('PUBLISH', channel, '')
    end
  end
end
watching = watching or redis.call('EXISTS', KEYS[2]) == 1
if watching then
  local mark = redis.call('GET', KEYS[1])
  if ARGV[8] ~= '' or not mark then
    redis.call('SET', KEYS[1], ARGV[9], 'PX', ARGV[6])
    redis.call('PUBLISH', ARGV[5], ARGV[9])
  elseif string.sub(mark, 1, 5) == 'next ' then
    -- Announced, and perhaps to nobody. Announcing it again is harmless: it is taken once.
    redis.call('PUBLISH', ARGV[5], mark)
  end
elseif ARGV[8] ~= '' then
  redis.call('DEL', KEYS[1])
end
return {moved, watching and '1' or '0'}
