-- Says whether it is time for a head, and then which journals there are and where they end. Of all hosts that ask within
-- the pause, one gets an answer.
-- KEYS  the mark of the pause, the last head, the last sealed positions of all journals
-- ARGV  pause ms, the prefix of a journal's key
-- Gives nothing before it is time; then the last head or '', and name and last position of each journal
if not redis.call('SET', KEYS[1], '1', 'NX', 'PX', ARGV[1]) then return {} end
local out = {redis.call('GET', KEYS[2]) or ''}
local sealed = redis.call('HGETALL', KEYS[3])
for i = 1, #sealed, 2 do
  local last = redis.call('XREVRANGE', ARGV[2] .. sealed[i], '+', '-', 'COUNT', 1)[1]
  out[#out + 1], out[#out + 2] = sealed[i], last and last[1] or sealed[i + 1]
end
return out
