-- Puts settings in force, if the caller still holds the lock, and gives the lock back. Drops the copies of contents
-- from older settings.
-- KEYS lock, settings; ARGV the lock's token, revision, index, studies whose reads are not recorded. Gives '1' if in force;
-- running it twice is the same as running it once
if redis.call('HGET', KEYS[2], 'revision') == ARGV[2] then
  return {'1'}
end
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return {'0'}
end
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('HSET', KEYS[2], 'revision', ARGV[2], 'index', ARGV[3], 'unrecorded', ARGV[4])
return {'1'}
