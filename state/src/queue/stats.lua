-- Reads all measured values of the queues, at one moment, and the counters of a study and a site.
-- KEYS  stats, due, dead, how many submissions the first queue has beyond one for each entry, then a stream for each
--       queue
-- ARGV  study, site, '*' for all; the most counters
-- Gives due entries, dead letters, then for each queue: how much waits, the oldest one's id or '', then the counters:
--       field, value. Of more than the most, those of all sites of a study are added up, and if need be of all studies
local out = {redis.call('ZCARD', KEYS[2]), redis.call('XLEN', KEYS[3])}
for i = 5, #KEYS do
  local oldest = redis.call('XRANGE', KEYS[i], '-', '+', 'COUNT', 1)[1]
  out[#out + 1] = redis.call('XLEN', KEYS[i]) + (i == 5 and oldest and redis.call('GET', KEYS[4]) or 0)
  out[#out + 1] = oldest and oldest[1] or ''
end
local all, most = ARGV[1] == '*' and ARGV[2] == '*', tonumber(ARGV[3])
local words = redis.call('HGETALL', KEYS[1])
local own, number = {}, 0
for i = 1, #words, 2 do
  local study, site = string.match(words[i], '^[^|]*|([^|]*)|([^|]*)|[^|]*$')
  if study and (ARGV[1] == '*' or study == ARGV[1]) and (ARGV[2] == '*' or site == ARGV[2]) then
    own[words[i]], number = words[i + 1], number + 1
  elseif all and string.find(words[i], '^call|') then
    out[#out + 1], out[#out + 2] = words[i], words[i + 1]
  end
end
for _, pattern in ipairs({'^([^|]*|[^|]*|)[^|]*(|[^|]*)$', '^([^|]*|)[^|]*|[^|]*(|[^|]*)$'}) do
  if number <= most then break end
  local sums = {}
  number = 0
  for field, value in pairs(own) do
    local before, after = string.match(field, pattern)
    local sum = before .. (string.find(before, '|.*|') and '*' or '*|*') .. after
    if not sums[sum] then number = number + 1 end
    sums[sum] = (sums[sum] or 0) + value
  end
  own = sums
end
for field, value in pairs(own) do
  out[#out + 1], out[#out + 2] = field, tonumber(value)
end
return out
