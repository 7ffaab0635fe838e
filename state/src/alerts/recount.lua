-- Counts alerts again by phase and severity. KEYS  facts, counts
redis.call('DEL', KEYS[2])
for _, facts in ipairs(redis.call('HVALS', KEYS[1])) do
  local severity, phase = string.match(facts, '^(%S+) .* (%S+)$')
  redis.call('HINCRBY', KEYS[2], phase .. '|' .. severity, 1)
end
return {}
