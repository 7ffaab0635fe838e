-- Begins to destroy the keys of a subject of which nothing is stored. Not while something of its site waits to be scored:
-- it may be of this subject, and sealed with them. Until destroy.lua runs, workers end nothing of the subject.
-- flows.lua stands before this.
-- KEYS destroyed, pinned keys, then the subject's lists; ARGV subject, `study|site`. Gives '1' if it has begun
for list = 3, #KEYS do
  if redis.call('EXISTS', KEYS[list]) == 1 then return {'0'} end
end
local held = redis.call('HGETALL', HELD .. 'score')
for i = 2, #held, 2 do
  if string.match(held[i], '^%S+ %d+ %d+ [^|]*|(.*)$') == ARGV[2] then return {'0'} end
end
local study, site = string.match(ARGV[2], '^([^|]*)|(.*)$')
for _, key in ipairs(redis.call('ZRANGE', RING .. 'score', 0, -1)) do
  if redis.call('ZSCORE', RING .. 'score:' .. key .. '|' .. study, site) then return {'0'} end
end
redis.call('DEL', KEYS[2])
redis.call('ZADD', KEYS[1], '+inf', ARGV[1])
return {'1'}
