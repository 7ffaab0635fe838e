-- Moves an analysis to its next state, unless it was cancelled. An analysis that waits again keeps its old position.
-- KEYS  job, line, durations
-- ARGV  id, state ('running', 'queued', 'ending'), attempts, when it is tried again or '', service, ms it took or ''
-- Gives the state that holds now
local state = redis.call('HGET', KEYS[1], 'state')
if state == 'cancelled' then
  return {state}
end
redis.call('HSET', KEYS[1], 'state', ARGV[2], 'attempts', ARGV[3], 'next', ARGV[4])
local order = redis.call('HGET', KEYS[1], 'order')
if ARGV[2] == 'queued' and order then
  redis.call('ZADD', KEYS[2], order, ARGV[1])
else
  redis.call('ZREM', KEYS[2], ARGV[1])
end
if ARGV[6] ~= '' then
  -- A moving average: each call counts a fifth, so the figure follows the service smoothly.
  local usual = redis.call('HGET', KEYS[3], ARGV[5])
  local took = usual and usual * 0.8 + ARGV[6] * 0.2 or ARGV[6]
  redis.call('HSET', KEYS[3], ARGV[5], string.format('%.0f', took))
end
return {ARGV[2]}
