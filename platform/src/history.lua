-- Says which submissions precede others: the one before and the first, of those that count.
-- KEYS  erased, then for each submission its subject's index
-- ARGV  prefix of superseded marks, most that an index holds, then for each submission: when it was written, its id
-- Gives for each: '1' if it is superseded itself, then the one before and when, then the first and when: '' if there is
-- none, '?' if the index may no longer hold it
local out = {}

local function counts(id)
  return redis.call('HEXISTS', KEYS[1], id) == 0 and redis.call('EXISTS', ARGV[1] .. id) == 0
end

for n = 2, #KEYS do
  local at, id = tonumber(ARGV[n * 2 - 1]), ARGV[n * 2]
  local full = redis.call('ZCARD', KEYS[n]) >= tonumber(ARGV[2])
  local list = redis.call('ZREVRANGEBYSCORE', KEYS[n], at, '-inf', 'WITHSCORES')
  local before = {}
  for i = 1, #list, 2 do
    local other = tonumber(list[i + 1])
    if other < at or (other == at and list[i] < id) then
      before[#before + 1] = {list[i], string.format('%.0f', other)}
    end
  end
  local previous, first = {'', '0'}, {'', '0'}
  for i = 1, #before do
    -- Behind the last one is what fell out.
    if full and i == #before then
      previous = {'?', '0'}
      break
    end
    if counts(before[i][1]) then
      previous = before[i]
      break
    end
  end
  for i = #before, 1, -1 do
    if counts(before[i][1]) then
      first = before[i]
      break
    end
    if full then
      first = {'?', '0'}
      break
    end
  end
  out[#out + 1] = redis.call('EXISTS', ARGV[1] .. id) == 1 and '1' or '0'
  out[#out + 1] = previous[1]
  out[#out + 1] = previous[2]
  out[#out + 1] = first[1]
  out[#out + 1] = first[2]
end
return out
