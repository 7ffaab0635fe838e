-- Tells which senders, or beginnings of secrets, have brought too many wrong secrets lately, and notes another one.
-- KEYS sets of wrong secrets by time; ARGV ms for which one counts, the wrong secret's hash or nothing, the most of each set
-- Gives for each set 0, or the ms until there is room. A set that is full takes no more, so it stays small.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local waits = {}
for place, set in ipairs(KEYS) do
  redis.call('ZREMRANGEBYSCORE', set, '-inf', now - ARGV[1])
  if redis.call('ZCARD', set) >= tonumber(ARGV[2 + place]) then
    waits[place] = math.max(1, redis.call('ZRANGE', set, 0, 0, 'WITHSCORES')[2] + ARGV[1] - now)
  else
    waits[place] = 0
    if ARGV[2] ~= '' then
      redis.call('ZADD', set, 'NX', now, ARGV[2])
      redis.call('PEXPIRE', set, ARGV[1])
    end
  end
end
return waits
