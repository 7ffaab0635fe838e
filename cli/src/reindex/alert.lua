-- Brings one alert's state and indexes back where Redis has lost them. What Redis has of its state is newer than the store.
-- flows.lua stands before this.
-- KEYS  state, all alerts, facts, counts, next, due
-- ARGV  flow, id, time, facts without the phase, prefix of the phases' indexes, seconds to keep a state that rests;
--       the stored state or '', its phase, its next time or '', the alert as dispatch takes it,
--       then for each that is due: time, member
-- Gives 'there', 'indexed', 'restored' or 'raised'
local done, phase = 'there', ARGV[8]
local value = redis.call('GET', KEYS[1])
if value then
  phase = cjson.decode(string.match(value, '^%S+ (.*)$')).phase
elseif ARGV[7] == '' then
  -- Stored, and nobody has raised it: raising it twice is raising it once.
  append('dispatch', ARGV[1], ARGV[10], #ARGV[10], 1)
  return {'raised'}
else
  if ARGV[9] == '' and phase ~= 'grouped' then
    redis.call('SET', KEYS[1], ARGV[7], 'EX', ARGV[6])
  else
    redis.call('SET', KEYS[1], ARGV[7])
  end
  if ARGV[9] ~= '' then
    redis.call('ZADD', KEYS[5], ARGV[9], ARGV[2])
  end
  for i = 11, #ARGV, 2 do
    redis.call('ZADD', KEYS[6], 'NX', ARGV[i], ARGV[i + 1])
  end
  done = 'restored'
end
local facts, old = ARGV[4] .. ' ' .. phase, redis.call('HGET', KEYS[3], ARGV[2])
local there = old == facts and redis.call('ZSCORE', KEYS[2], ARGV[2])
  and redis.call('ZSCORE', ARGV[5] .. phase, ARGV[2])
if there then
  return {done}
end
local severity = string.match(facts, '^(%S+)')
if old then
  local severity_before, phase_before = string.match(old, '^(%S+) .* (%S+)$')
  redis.call('ZREM', ARGV[5] .. phase_before, ARGV[2])
  redis.call('HINCRBY', KEYS[4], phase_before .. '|' .. severity_before, -1)
end
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[2])
redis.call('ZADD', ARGV[5] .. phase, ARGV[3], ARGV[2])
redis.call('HINCRBY', KEYS[4], phase .. '|' .. severity, 1)
redis.call('HSET', KEYS[3], ARGV[2], facts)
return {done == 'restored' and done or 'indexed'}
