-- Puts a study's document in force. With a token, if the caller still holds the lock, which it gives back; without one,
-- if Redis has nothing of the study.
-- KEYS  lock, lines of all studies, revisions of studies' own settings, the study
-- ARGV  token or '', study, its line, revision, state, when it was closed or '', the revision of its own settings or '',
--       these settings, its sites, each with '-' or when it was closed, all with blanks between them
-- Gives '1' if it is in force; running it twice is the same as running it once
if redis.call('HGET', KEYS[4], 'revision') == ARGV[4] then
  if ARGV[1] ~= '' and redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
  return {'1'}
end
if ARGV[1] == '' then
  if redis.call('EXISTS', KEYS[4]) == 1 then return {'1'} end
elseif redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return {'0'}
else
  redis.call('DEL', KEYS[1])
end
redis.call('DEL', KEYS[4])
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
if ARGV[7] == '' then
  redis.call('HDEL', KEYS[3], ARGV[2])
else
  redis.call('HSET', KEYS[3], ARGV[2], ARGV[7])
end
redis.call('HSET', KEYS[4], 'revision', ARGV[4], 'state', ARGV[5], 'closed', ARGV[6], 'own', ARGV[7], 'settings', ARGV[8])
for site, closed in string.gmatch(ARGV[9], '(%S+) (%S+)') do
  redis.call('HSET', KEYS[4], 'site:' .. site, closed)
end
return {'1'}
