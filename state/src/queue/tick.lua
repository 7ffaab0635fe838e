-- One tick of the clock: lets the entries of dead workers wait again, moves due entries onto their queues, rings for
-- waiting entries, and publishes the next tick while anything is left to watch. flows.lua stands before this.
-- KEYS  clock, dead, then for each queue: bell
-- ARGV  now ms, bell ms, clock channel, clock ms, most to move, the running tick's lease or '', announcement of the
--       next tick, '1' if there is always something to watch, then for each queue: name, channel
-- Gives entries moved, '1' if the clock goes on, '1' if a journal may have entries of which a subscription has not been told
local now, moved = tonumber(ARGV[1]), 0
if ARGV[6] ~= '' and redis.call('GET', KEYS[1]) ~= ARGV[6] then
  -- The lease ran out, and another host ticks.
  return {0, '0', '0'}
end
bury(clock_ms())
local known = {}
for q = 9, #ARGV, 2 do
  known[ARGV[q]] = true
end
for _, member in ipairs(redis.call('ZRANGEBYSCORE', DUE, '-inf', now, 'LIMIT', 0, tonumber(ARGV[5]))) do
  local queue, flow, payload = string.match(member, '^(%S+) ([^%s|]*|[^%s|]*|%S*) (.*)$')
  if queue and known[queue] then
    append(queue, flow, payload, #payload, 1)
  else
    -- Another version wrote it. No code here can handle it, and it must not be waited for.
    redis.call('XADD', KEYS[2], '*', 'q', 'due', 'reason', 'unreadable-entry', 'd', member)
  end
  redis.call('ZREM', DUE, member)
  moved = moved + 1
end
-- The limit was reached: more may be due.
local announcement = ARGV[7] .. (moved == tonumber(ARGV[5]) and ' now' or '')
local watching = ARGV[8] == '1'
for q = 9, #ARGV, 2 do
  local queue, bell = ARGV[q], KEYS[3 + (q - 9) / 2]
  watching = watching or redis.call('XLEN', STREAM .. queue) > 0
  if redis.call('EXISTS', RING .. queue) == 1 then
    watching = true
    redis.call('SET', bell, '1', 'PX', ARGV[2])
    redis.call('PUBLISH', ARGV[q + 1], '')
  end
end
-- Reserved work is on no queue, so the worker's name must be watched.
local events = redis.call('EXISTS', EVENTS_NEW) == 1
watching = watching or events or redis.call('EXISTS', DUE, HOLDERS) > 0
if watching then
  local mark = redis.call('GET', KEYS[1])
  if ARGV[6] ~= '' or not mark then
    redis.call('SET', KEYS[1], announcement, 'PX', ARGV[4])
    redis.call('PUBLISH', ARGV[3], announcement)
  else
    -- The value is an announcement that perhaps nobody heard, or the lease of a tick that may have died with its host.
    -- Who hears this message takes the lease, once. A tick that still lives finds that another host goes on.
    redis.call('PUBLISH', ARGV[3], mark)
  end
elseif ARGV[6] ~= '' then
  redis.call('DEL', KEYS[1])
end
return {moved, watching and '1' or '0', events and '1' or '0'}
