-- Ends the erasure of a study: the doors are open again. KEYS studies that are being erased, progress; ARGV study
redis.call('SREM', KEYS[1], ARGV[1])
redis.call('DEL', KEYS[2])
return {}
