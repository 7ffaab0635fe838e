-- The subjects whose keys were destroyed. KEYS destroyed; ARGV the number after which
-- Gives the number of the last one, then the subjects after the given number
local last = redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2] or '0'
return {last, unpack(redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. ARGV[1], '+inf', 'LIMIT', 0, 5000))}
