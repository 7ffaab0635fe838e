-- Begins a session, and forgets those whose time has passed.
-- KEYS  the session, all sessions by when they end, the time until which the tokens of the person are refused
-- ARGV  the hash of its secret, its line, when it ends in ms, when its token was issued in s, the most sessions
-- Gives 'begun', 'signed-out' where the token is refused, or 'full'
local refused = redis.call('GET', KEYS[3])
if refused and tonumber(ARGV[4]) <= tonumber(refused) then return {'signed-out'} end
local time = redis.call('TIME')
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', time[1] * 1000)
if redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[5]) then return {'full'} end
redis.call('SET', KEYS[1], ARGV[2], 'PXAT', ARGV[3])
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1])
return {'begun'}
