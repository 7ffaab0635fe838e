-- A page of alerts in the order of an index, filtered.
-- KEYS  index, facts
-- ARGV  the command that reads the index in this order, the scores where it begins and ends; score and id of the last
--       alert of the page before, or '' and ''; most; most to look at; earliest time or '';
--       severity, study, site, assignee, phase, each '' for any
-- Gives '1' if there may be more, score and id of the last one looked at or '', '', then for each: id, time, facts
local command, from, to, last, name = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local most, looks, since = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8]) or -math.huge
-- A score is a time, or a rank of severity and a time; see step.lua.
local SPAN = 1e13
local ascends = command == 'ZRANGEBYSCORE'
local out, offset, looked, at, id = {}, 0, 0, last, name
local filters = {unpack(ARGV, 9)}
local function wanted(facts)
  local n = 0
  for fact in string.gmatch(facts, '%S+') do
    n = n + 1
    if filters[n] and filters[n] ~= '' and filters[n] ~= fact then
      return false
    end
  end
  return true
end
local more = true
while #out < 3 * most and looked < looks do
  local found = redis.call(command, KEYS[1], last == '' and from or last, to, 'WITHSCORES', 'LIMIT', offset, 100)
  if #found == 0 then
    more = false
    break
  end
  for i = 1, #found, 2 do
    local beyond = found[i + 1] ~= last or (ascends and found[i] > name) or (not ascends and found[i] < name)
    if beyond and #out < 3 * most then
      looked, at, id = looked + 1, found[i + 1], found[i]
      local time = tonumber(at) % SPAN
      local facts = time >= since and redis.call('HGET', KEYS[2], id)
      if facts and wanted(facts) then
        out[#out + 1], out[#out + 2], out[#out + 3] = id, string.format('%.0f', time), facts
      end
    end
  end
  offset = offset + #found / 2
end
return {more and '1' or '0', at, id, unpack(out)}
