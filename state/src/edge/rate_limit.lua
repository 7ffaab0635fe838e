-- Takes a token out of a bucket. The stored value is the time at which the bucket is full again; it expires then.
-- KEYS bucket; ARGV most tokens, ms until one comes back. Gives 0, or the ms to wait for a token
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local full = math.max(now, tonumber(redis.call('GET', KEYS[1]) or 0))
local wait = full - now - (ARGV[1] - 1) * ARGV[2]
if wait > 0 then
  return {wait}
end
full = full + ARGV[2]
redis.call('SET', KEYS[1], string.format('%.0f', full), 'PX', string.format('%.0f', full - now))
return {0}
