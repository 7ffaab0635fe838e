-- Sees to it that the clock looks for events of which subscriptions have not been told. flows.lua stands before this.
-- KEYS  clock
-- ARGV  clock channel, clock ms, announcement of a tick
redis.call('SET', EVENTS_NEW, '1')
if redis.call('SET', KEYS[1], ARGV[3], 'NX', 'PX', ARGV[2]) then redis.call('PUBLISH', ARGV[1], ARGV[3]) end
return {}
