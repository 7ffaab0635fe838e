-- For each submission, finds the previous one and the first one in the lists of its subject and of the subjects linked
-- to it. Erased and superseded submissions do not count, nor do those whose clock was wrong.
-- KEYS  erased, links, then for each submission its subject's list
-- ARGV  prefix of superseded marks, prefix of lists, most of a list that are looked at from either end, then for each
--       submission: when it was written, its id, instrument or kind, subject
-- Gives for each: '1' if it is superseded itself, who its person is, then of the one before and of the first: id, site
-- and when. The id is '' if there is none, '?' if those that were looked at did not tell
local PAGE, most = 100, tonumber(ARGV[3])
local linked = redis.call('EXISTS', KEYS[2]) == 1
local out = {}

local function superseded(id)
  return redis.call('EXISTS', ARGV[1] .. id) == 1
end

-- `read` gives a list page by page. Finds in it the first submission that counts: its id, site and when it was written.
local function find(at, id, what, read)
  for from = 0, most - 1, PAGE do
    local list = read(from)
    for i = 1, #list, 2 do
      local other, site, of = string.match(list[i], '^(%S+) (%S+) (%S+)')
      local when = tonumber(list[i + 1])
      local before = when < at or (when == at and other < id)
      local skewed = string.sub(list[i], -7) == ' skewed'
      if before and of == what and not skewed and redis.call('HEXISTS', KEYS[1], other) == 0 and not superseded(other) then
        return other, site, when
      elseif when > at then
        return '', '', 0
      end
    end
    if #list < 2 * PAGE then
      return '', '', 0
    end
  end
  return '?', '', 0
end

-- Runs `look` on several lists, and chooses the result that `comes` before the others.
local function choose(lists, look, comes)
  local best, best_site, best_at = '', '', 0
  for _, list in ipairs(lists) do
    local id, site, at = look(list)
    if best ~= '?' and id ~= '' and (id == '?' or best == '' or comes(at, id, best_at, best)) then
      best, best_site, best_at = id, site, at
    end
  end
  out[#out + 1], out[#out + 2], out[#out + 3] = best, best_site, string.format('%.0f', best_at)
end

for n = 3, #KEYS do
  local first = 4 * (n - 3) + 4
  local at, id, what, subject = tonumber(ARGV[first]), ARGV[first + 1], ARGV[first + 2], ARGV[first + 3]
  local lists, person = {KEYS[n]}, subject
  local members = linked and redis.call('HGET', KEYS[2], subject)
  if members then
    lists, person = {}, string.match(members, '^%S+')
    for member in string.gmatch(members, '(%S+) %S+') do
      lists[#lists + 1] = ARGV[2] .. member
    end
  end
  out[#out + 1] = superseded(id) and '1' or '0'
  out[#out + 1] = person
  choose(lists, function(list)
    return find(at, id, what, function(from)
      return redis.call('ZREVRANGEBYSCORE', list, at, '-inf', 'WITHSCORES', 'LIMIT', from, PAGE)
    end)
  end, function(here, one, there, other) return here > there or (here == there and one > other) end)
  choose(lists, function(list)
    return find(at, id, what, function(from)
      return redis.call('ZRANGE', list, from, from + PAGE - 1, 'WITHSCORES')
    end)
  end, function(here, one, there, other) return here < there or (here == there and one < other) end)
end
return out
