-- Lists a subject's submissions that follow the cursor's submission.
-- KEYS  the subject's timeline
-- ARGV  '1' for the latest first, when the cursor's was written, the cursor's member or '', most, what or ''
-- Gives '1' if there are more, then for each: when it was written, member
local down, at, after, most = ARGV[1] == '1', ARGV[2], ARGV[3], tonumber(ARGV[4])
local rank = 0
if after ~= '' then
  rank = redis.call(down and 'ZREVRANK' or 'ZRANK', KEYS[1], after)
  if rank then
    rank = rank + 1
  else
    -- The cursor's submission is in the list of another subject of the person, or was erased.
    rank = redis.call('ZCOUNT', KEYS[1], down and '(' .. at or '-inf', down and '+inf' or '(' .. at)
    for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], at, at)) do
      if (down and member > after) or (not down and member < after) then
        rank = rank + 1
      end
    end
  end
end
local out = {'0'}
while true do
  local list = redis.call(down and 'ZREVRANGE' or 'ZRANGE', KEYS[1], rank, rank + 499, 'WITHSCORES')
  for i = 1, #list, 2 do
    if ARGV[5] == '' or string.match(list[i], '^%S+ %S+ (%S+)') == ARGV[5] then
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
