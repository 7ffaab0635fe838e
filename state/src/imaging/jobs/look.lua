-- The progress of an analysis. KEYS job, line, durations; ARGV id
-- Gives nothing, or state, attempts, the time of the next, the number before it or -1, facts, ms the service takes
local found = redis.call('HMGET', KEYS[1], 'state', 'attempts', 'next', 'facts')
if not found[1] then
  return {}
end
local rank = redis.call('ZRANK', KEYS[2], ARGV[1])
local service = string.match(found[4], '"service":"([^"]+)"') or ''
return {found[1], found[2], found[3] or '', rank or -1, found[4], redis.call('HGET', KEYS[3], service) or ''}
