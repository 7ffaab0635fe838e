-- Reads all figures about alerts, at one moment.
-- KEYS  dead, then hashes
-- Gives how many dead letters there ever were, then for each hash: its length in words, fields and values
local out = {0}
if redis.call('EXISTS', KEYS[1]) == 1 then
  local info = redis.call('XINFO', 'STREAM', KEYS[1])
  for i = 1, #info, 2 do
    if info[i] == 'entries-added' then
      out[1] = info[i + 1]
    end
  end
end
for i = 2, #KEYS do
  local fields = redis.call('HGETALL', KEYS[i])
  out[#out + 1] = #fields
  for _, word in ipairs(fields) do
    out[#out + 1] = word
  end
end
return out
