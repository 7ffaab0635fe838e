-- Cancels an analysis that waits or runs. KEYS job, line; ARGV id, when, by whom
-- Gives the state that holds now, or '', and when and by whom it was cancelled first
local state = redis.call('HGET', KEYS[1], 'state')
if state == 'queued' or state == 'running' then
  redis.call('HSET', KEYS[1], 'state', 'cancelled', 'ended', ARGV[2], 'by', ARGV[3])
  redis.call('ZREM', KEYS[2], ARGV[1])
  state = 'cancelled'
end
local first = redis.call('HMGET', KEYS[1], 'ended', 'by')
return {state or '', first[1] or '', first[2] or ''}
