-- Cancels an analysis that waits or runs. KEYS job, line; ARGV id. Gives the state that holds now, or ''
local state = redis.call('HGET', KEYS[1], 'state')
if state == 'queued' or state == 'running' then
  redis.call('HSET', KEYS[1], 'state', 'cancelled')
  redis.call('ZREM', KEYS[2], ARGV[1])
  state = 'cancelled'
end
return {state or ''}
