-- Takes a sample: adds what happened since the last one to the figures of a minute, and notes what waits. It takes one at
-- the first call in a minute, when the clock is about to rest, and when it goes on after a rest; else it does nothing.
-- The difference to the last sample belongs to the minute of that sample, or after a rest to this minute: what wakes the
-- clock came in just now.
-- KEYS  minutes, stats, attempts, how many submissions the first queue has beyond one for each entry, then a stream for
--       each queue
-- ARGV  now ms, '1' if the clock rests now, the most minutes
local now, rests = tonumber(ARGV[1]), ARGV[2]
local minute = math.floor(now / 60000)
local last = redis.call('HGET', KEYS[1], 'last') or ''
local of, rested, accepted, scored, delivered = string.match(last, '^(%d+) ([01]) (%d+) (%d+) (%d+)$')
if of and tonumber(of) == minute and rested == '0' and rests == '0' then return {} end

local function sum(hash, pattern)
  local total, fields = 0, redis.call('HGETALL', hash)
  for i = 1, #fields, 2 do
    if string.find(fields[i], pattern) then total = total + tonumber(fields[i + 1]) end
  end
  return total
end
local totals = {
  sum(KEYS[2], '^accepted|'), tonumber(redis.call('HGET', KEYS[1], 'scored') or 0), sum(KEYS[3], '|delivered$'),
}

local own = string.format('%.0f', of and rested == '0' and tonumber(of) or minute)
local figures = {}
for count in string.gmatch(redis.call('HGET', KEYS[1], own) or '0 0 0', '%d+') do
  figures[#figures + 1] = tonumber(count)
end
for i, before in ipairs(of and {accepted, scored, delivered} or {}) do
  figures[i] = figures[i] + math.max(0, totals[i] - before)
end
for i = 5, #KEYS do
  local oldest = redis.call('XRANGE', KEYS[i], '-', '+', 'COUNT', 1)[1]
  local more = i == 5 and oldest and redis.call('GET', KEYS[4]) or 0
  figures[2 * i - 6] = redis.call('XLEN', KEYS[i]) + more
  figures[2 * i - 5] = oldest and math.max(0, now - string.match(oldest[1], '^%d+')) or 0
end

local function written(numbers)
  for i, number in ipairs(numbers) do
    numbers[i] = string.format('%.0f', number)
  end
  return table.concat(numbers, ' ')
end
local sample = string.format('%.0f', minute) .. ' ' .. rests .. ' ' .. written(totals)
redis.call('HSET', KEYS[1], own, written(figures), 'last', sample)
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
  local at = tonumber(field)
  if at and (at <= minute - ARGV[3] or at > minute) then redis.call('HDEL', KEYS[1], field) end
end
return {}
