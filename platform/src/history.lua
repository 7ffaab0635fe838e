-- Says which submissions precede others in their subjects' lists: the one before and the first, of those that count.
-- KEYS  erased, then for each submission its subject's list
-- ARGV  prefix of superseded marks, most that are looked at from either end, then for each submission: when it was
--       written, its id, instrument or kind
-- Gives for each: '1' if it is superseded itself, then the one before and when, then the first and when: '' if there is
-- none, '?' if those that were looked at did not tell
local PAGE, most = 100, tonumber(ARGV[2])
local out = {}

local function superseded(id)
  return redis.call('EXISTS', ARGV[1] .. id) == 1
end

-- The first that counts, of those that `read` gives page by page: its id and when it was written.
local function find(at, id, what, read)
  for from = 0, most - 1, PAGE do
    local list = read(from)
    for i = 1, #list, 2 do
      local other, of = string.match(list[i], '^(%S+) %S+ (%S+)$')
      local when = tonumber(list[i + 1])
      local before = when < at or (when == at and other < id)
      if before and of == what and redis.call('HEXISTS', KEYS[1], other) == 0 and not superseded(other) then
        return other, string.format('%.0f', when)
      elseif when > at then
        return '', '0'
      end
    end
    if #list < 2 * PAGE then
      return '', '0'
    end
  end
  return '?', '0'
end

for n = 2, #KEYS do
  local at, id, what = tonumber(ARGV[n * 3 - 3]), ARGV[n * 3 - 2], ARGV[n * 3 - 1]
  local previous, previous_at = find(at, id, what, function(from)
    return redis.call('ZREVRANGEBYSCORE', KEYS[n], at, '-inf', 'WITHSCORES', 'LIMIT', from, PAGE)
  end)
  local first, first_at = find(at, id, what, function(from)
    return redis.call('ZRANGE', KEYS[n], from, from + PAGE - 1, 'WITHSCORES')
  end)
  out[#out + 1] = superseded(id) and '1' or '0'
  out[#out + 1] = previous
  out[#out + 1] = previous_at
  out[#out + 1] = first
  out[#out + 1] = first_at
end
return out
