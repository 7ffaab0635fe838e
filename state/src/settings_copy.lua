-- Gives the settings in force. If Redis has lost them, restores the caller's, which come from the store.
-- KEYS settings; ARGV revision, index and studies whose reads are not recorded from the store, or nothing. Gives revision,
-- index; or nothing
if ARGV[1] and redis.call('HEXISTS', KEYS[1], 'revision') == 0 then
  redis.call('HSET', KEYS[1], 'revision', ARGV[1], 'index', ARGV[2], 'unrecorded', ARGV[3])
end
local revision = redis.call('HGET', KEYS[1], 'revision')
if not revision then
  return {}
end
return {revision, redis.call('HGET', KEYS[1], 'index')}
