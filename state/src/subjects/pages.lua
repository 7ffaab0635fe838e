-- A page of an index: members by score, and by name within the same score.
-- KEYS  the index, a sorted set
-- ARGV  'up' or 'down'; score and name of the last member of the page before, or '' and ''; most
-- Gives name, score for each
local up, last, name, most = ARGV[1] == 'up', ARGV[2], ARGV[3], tonumber(ARGV[4])
local out, offset = {}, 0
while #out < 2 * most do
  local from, to = last == '' and (up and '-inf' or '+inf') or last, up and '+inf' or '-inf'
  local command = up and 'ZRANGEBYSCORE' or 'ZREVRANGEBYSCORE'
  local found = redis.call(command, KEYS[1], from, to, 'WITHSCORES', 'LIMIT', offset, most)
  for i = 1, #found, 2 do
    local beyond = found[i + 1] ~= last or (up and found[i] > name) or (not up and found[i] < name)
    if beyond and #out < 2 * most then
      out[#out + 1] = found[i]
      out[#out + 1] = found[i + 1]
    end
  end
  offset = offset + #found / 2
  if #found == 0 then break end
end
return out
