-- Lists a subject's submissions, from the one after the cursor on.
-- KEYS  filed
-- ARGV  '1' for the latest first, when the cursor's was written, the cursor's member or '', most, site or '', what or ''
-- Gives '1' if there are more, then for each: when it was written, member
local down, most = ARGV[1] == '1', tonumber(ARGV[4])
local rank = 0
if ARGV[3] ~= '' then
  rank = redis.call(down and 'ZREVRANK' or 'ZRANK', KEYS[1], ARGV[3])
  if rank then
    rank = rank + 1
  elseif down then
    rank = redis.call('ZCOUNT', KEYS[1], '(' .. ARGV[2], '+inf')
  else
    rank = redis.call('ZCOUNT', KEYS[1], '-inf', '(' .. ARGV[2])
  end
end
local out = {'0'}
while true do
  local list = redis.call(down and 'ZREVRANGE' or 'ZRANGE', KEYS[1], rank, rank + 499, 'WITHSCORES')
  for i = 1, #list, 2 do
    local site, what = string.match(list[i], '^%S+ (%S+) (%S+)$')
    if (ARGV[5] == '' or site == ARGV[5]) and (ARGV[6] == '' or what == ARGV[6]) then
      if #out > 2 * most then
        out[1] = '1'
        return out
      end
      out[#out + 1] = list[i + 1]
      out[#out + 1] = list[i]
    end
  end
  if #list < 1000 then
    return out
  end
  rank = rank + 500
end
