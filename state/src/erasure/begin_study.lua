-- Begins the erasure of a study, unless it has begun: from now on the doors take nothing in for it.
-- KEYS studies that are being erased, progress; ARGV study, when, by whom and why. Gives what holds
redis.call('SADD', KEYS[1], ARGV[1])
redis.call('HSETNX', KEYS[2], 'begun', ARGV[2])
return {redis.call('HGET', KEYS[2], 'begun')}
