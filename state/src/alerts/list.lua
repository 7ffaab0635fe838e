-- A page of alerts, the newest first, filtered.
-- KEYS  index, facts
-- ARGV  time and id of the last alert of the page before, or '' and ''; most; earliest time or '-inf'; most to look at;
--       severity, study, site, each '' for any
-- Gives '1' if there may be more, time and id of the last one looked at or '', '', then for each: id, time, facts
local last, name, most, from, looks = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])
local out, offset, looked, at, id = {}, 0, 0, last, name
local function wanted(facts)
  local severity, study, site = string.match(facts, '^(%S+) (%S+) (%S+) ')
  return severity and (ARGV[6] == '' or ARGV[6] == severity) and (ARGV[7] == '' or ARGV[7] == study)
    and (ARGV[8] == '' or ARGV[8] == site)
end
local more = true
while #out < 3 * most and looked < looks do
  local found = redis.call('ZREVRANGEBYSCORE', KEYS[1], last == '' and '+inf' or last, from, 'WITHSCORES',
    'LIMIT', offset, 100)
  if #found == 0 then
    more = false
    break
  end
  for i = 1, #found, 2 do
    local beyond = found[i + 1] ~= last or found[i] < name
    if beyond and #out < 3 * most then
      looked, at, id = looked + 1, found[i + 1], found[i]
      local facts = redis.call('HGET', KEYS[2], id)
      if facts and wanted(facts) then
        out[#out + 1], out[#out + 2], out[#out + 3] = id, at, facts
      end
    end
  end
  offset = offset + #found / 2
end
return {more and '1' or '0', at, id, unpack(out)}
