-- Begins the erasure of a subject, unless it has begun. KEYS progress; ARGV when, by whom and why
-- Gives what holds, since when by the clock of this server what came in is waited for, how many submissions and analyses
-- are erased, and whether the keys of the subject were destroyed
if redis.call('HSETNX', KEYS[1], 'begun', ARGV[1]) == 1 then
  local time = redis.call('TIME')
  redis.call('HSET', KEYS[1], 'ms', string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)))
end
local found = redis.call('HMGET', KEYS[1], 'begun', 'ms', 'submissions', 'analyses', 'keys')
return {found[1], found[2], found[3] or '0', found[4] or '0', found[5] or '0'}
