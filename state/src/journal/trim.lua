-- Removes sealed entries from a journal.
-- KEYS  the last sealed positions of all journals, the journal
-- ARGV  study, the last sealed position, the position after it
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('XTRIM', KEYS[2], 'MINID', ARGV[3])
return {}
