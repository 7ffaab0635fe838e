-- Gives a slot back. KEYS the first three of take.lua; ARGV ticket. Gives '1' if it was held
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
return {tostring(redis.call('ZREM', KEYS[1], ARGV[1]))}
