-- The states of several analyses. KEYS jobs. Gives a state or '' for each
local out = {}
for i, key in ipairs(KEYS) do
  out[i] = redis.call('HGET', key, 'state') or ''
end
return out
