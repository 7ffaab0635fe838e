-- Writes for each subject all subjects of its person, if the caller still holds the lock, and gives the lock back.
-- KEYS lock, links; ARGV the lock's token, then for each subject: it, its person or '' for nobody but itself
-- Gives '1' if it is written
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return {'0'}
end
for i = 2, #ARGV, 2 do
  if ARGV[i + 1] == '' then
    redis.call('HDEL', KEYS[2], ARGV[i])
  else
    redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
  end
end
redis.call('DEL', KEYS[1])
return {'1'}
