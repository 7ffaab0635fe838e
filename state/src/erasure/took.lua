-- Takes something that is erased off a list of its subject, and counts it once. KEYS list, progress; ARGV member, counter
if redis.call('ZREM', KEYS[1], ARGV[1]) == 1 then
  redis.call('HINCRBY', KEYS[2], ARGV[2], 1)
end
return {}
