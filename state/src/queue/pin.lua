-- Pins decisions on entries; the first decision on each stands. flows.lua stands before this.
-- KEYS  a key for each decision
-- ARGV  holder, lease ms, for how many seconds decisions stay, then the decisions
-- Gives '0' if the worker was declared dead: nothing was kept then. Else '1', then for each the decision that stands if
-- it is another one, or ''
if alive(ARGV[1], true, clock_ms(), ARGV[2]) then return {'0'} end
local out = {'1'}
for place, key in ipairs(KEYS) do
  local first = redis.call('GET', key)
  if not first then redis.call('SET', key, ARGV[3 + place], 'EX', ARGV[3]) end
  out[#out + 1] = first or ''
end
return out
