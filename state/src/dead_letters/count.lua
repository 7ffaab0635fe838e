-- Counts dead letters since a time by queue and reason.
-- KEYS  dead; ARGV  milliseconds
-- Gives for each: queue, reason, how many
local counts, from = {}, ARGV[1]
while true do
  local letters = redis.call('XRANGE', KEYS[1], from, '+', 'COUNT', 1000)
  for _, letter in ipairs(letters) do
    local queue, reason = letter[2][2], letter[2][4]
    counts[queue] = counts[queue] or {}
    counts[queue][reason] = (counts[queue][reason] or 0) + 1
  end
  if #letters < 1000 then break end
  from = '(' .. letters[#letters][1]
end
local out = {}
for queue, reasons in pairs(counts) do
  for reason, count in pairs(reasons) do
    out[#out + 1], out[#out + 2], out[#out + 3] = queue, reason, count
  end
end
return out
