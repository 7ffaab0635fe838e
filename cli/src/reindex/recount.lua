-- Counts alerts again by phase and severity. KEYS  facts, counts
redis.call('DEL', KEYS[2])
local facts = redis.call('HVALS', KEYS[1])
for _, one in ipairs(facts) do
  local severity, phase = string.match(one, '^(%S+) .* (%S+)$')
  redis.call('HINCRBY', KEYS[2], phase .. '|' .. severity, 1)
end
return redis.status_reply('OK')
