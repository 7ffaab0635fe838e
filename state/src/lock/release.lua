-- Gives a lock back. KEYS lock; ARGV the lock's token
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('DEL', KEYS[1])
end
return {}
