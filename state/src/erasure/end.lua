-- Ends the erasure of a subject, and counts it for the erasure of its study if that is under way. A subject of which nothing
-- is listed leaves the subjects of its study; of another one something has come meanwhile.
-- KEYS progress, erasure of the study, subjects of the study, then the subject's lists; ARGV subject
local counts = redis.call('HMGET', KEYS[1], 'submissions', 'analyses')
if redis.call('DEL', KEYS[1]) == 1 and redis.call('EXISTS', KEYS[2]) == 1 then
  redis.call('HINCRBY', KEYS[2], 'subjects', 1)
  redis.call('HINCRBY', KEYS[2], 'submissions', counts[1] or 0)
  redis.call('HINCRBY', KEYS[2], 'analyses', counts[2] or 0)
end
for list = 4, #KEYS do
  if redis.call('EXISTS', KEYS[list]) == 1 then return {} end
end
redis.call('ZREM', KEYS[3], ARGV[1])
return {}
