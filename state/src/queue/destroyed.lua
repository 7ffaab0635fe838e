-- The subjects whose keys were destroyed. KEYS destroyed; ARGV the number after which, how many subjects at most
-- Gives the number up to which it gives them, then the subjects. Those whose keys are being destroyed come last, always
local found = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. ARGV[1], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[2])
local last = redis.call('ZREVRANGEBYSCORE', KEYS[1], '(+inf', '-inf', 'WITHSCORES', 'LIMIT', 0, 1)[2] or '0'
if #found == 2 * ARGV[2] and found[#found] ~= 'inf' then last = found[#found] end
local out = {last}
for i = 1, #found, 2 do out[#out + 1] = found[i] end
return out
