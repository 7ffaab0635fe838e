-- Keeps an answer, if the caller still has the turn, and gives the turn back. If there is no kind, the call failed: the
-- kept answer stays, and nobody asks again for as long as an answer would be fresh, or until the kept one is gone.
-- KEYS  entry, lock
-- ARGV  token, revision of the settings when it was asked for, kind, body, ms that it is fresh, ms that it is kept
if redis.call('GET', KEYS[2]) ~= ARGV[1] then
  return {}
end
if ARGV[3] == '' then
  local left = redis.call('PTTL', KEYS[1])
  redis.call('PEXPIRE', KEYS[2], math.max(1, math.min(left, tonumber(ARGV[5]))))
  return {}
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], 'revision', ARGV[2], 'until', string.format('%.0f', now + ARGV[5]),
  'at', string.format('%.0f', now), 'kind', ARGV[3], 'body', ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[6])
redis.call('DEL', KEYS[2])
return {}
