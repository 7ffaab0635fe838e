-- Brings one alert's state and indexes back where Redis has lost them. What Redis has of its state is newer than the store.
-- KEYS  state, all alerts, facts, counts, next, due, dispatch stream
-- ARGV  id, time, facts without the phase, prefix of the phases' indexes, seconds to keep a state that rests;
--       the stored state or '', its phase, its next time or '', the alert as dispatch takes it,
--       then for each that is due: time, member
-- Gives 'there', 'indexed', 'restored' or 'raised'
local done, phase = 'there', ARGV[7]
local value = redis.call('GET', KEYS[1])
if value then
  phase = cjson.decode(string.match(value, '^%S+ (.*)$')).phase
elseif ARGV[6] == '' then
  -- Stored, and nobody has raised it: raising it twice is raising it once.
  redis.call('XADD', KEYS[7], '*', 'd', ARGV[9])
  return {'raised'}
else
  if ARGV[8] == '' and phase ~= 'grouped' then
    redis.call('SET', KEYS[1], ARGV[6], 'EX', ARGV[5])
  else
    redis.call('SET', KEYS[1], ARGV[6])
  end
  if ARGV[8] ~= '' then
    redis.call('ZADD', KEYS[5], ARGV[8], ARGV[1])
  end
  for i = 10, #ARGV, 2 do
    redis.call('ZADD', KEYS[6], 'NX', ARGV[i], ARGV[i + 1])
  end
  done = 'restored'
end
local facts, old = ARGV[3] .. ' ' .. phase, redis.call('HGET', KEYS[3], ARGV[1])
local there = old == facts and redis.call('ZSCORE', KEYS[2], ARGV[1])
  and redis.call('ZSCORE', ARGV[4] .. phase, ARGV[1])
if there then
  return {done}
end
local severity = string.match(facts, '^(%S+)')
if old then
  local severity_before, phase_before = string.match(old, '^(%S+) .* (%S+)$')
  redis.call('ZREM', ARGV[4] .. phase_before, ARGV[1])
  redis.call('HINCRBY', KEYS[4], phase_before .. '|' .. severity_before, -1)
end
redis.call('ZADD', KEYS[2], ARGV[2], ARGV[1])
redis.call('ZADD', ARGV[4] .. phase, ARGV[2], ARGV[1])
redis.call('HINCRBY', KEYS[4], phase .. '|' .. severity, 1)
redis.call('HSET', KEYS[3], ARGV[1], facts)
return {done == 'restored' and done or 'indexed'}
