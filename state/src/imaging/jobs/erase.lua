-- Begins an analysis' erasure: remembers it, and stops waiting or running work. KEYS job, line, erased; ARGV id,
-- erasure
-- Gives the erasure that holds, the first one, and the hash of what was asked for, or ''
redis.call('HSETNX', KEYS[3], ARGV[1], ARGV[2])
local hash = redis.call('HGET', KEYS[1], 'hash')
if hash then
  redis.call('HSET', KEYS[1], 'state', 'cancelled')
  redis.call('ZREM', KEYS[2], ARGV[1])
end
return {redis.call('HGET', KEYS[3], ARGV[1]), hash or ''}
