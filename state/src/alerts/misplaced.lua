-- Removes alerts from the index of a phase that they are not in. KEYS  facts, the index
-- ARGV  its phase, then the alerts. Gives how many were taken out
local gone = 0
for i = 2, #ARGV do
  local facts = redis.call('HGET', KEYS[1], ARGV[i])
  if facts and string.match(facts, '(%S+)$') ~= ARGV[1] then
    gone = gone + redis.call('ZREM', KEYS[2], ARGV[i])
  end
end
return {gone}
