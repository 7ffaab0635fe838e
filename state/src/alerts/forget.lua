-- Forgets alerts. If others were grouped with the message of one of them, a worker takes care of these.
-- flows.lua stands before this.
-- KEYS  alerts, next, facts, counts, the dispatch queue's bell, then for each alert: state, group members, repeat mark
--       or ''
-- ARGV  prefix of the phases' indexes, bell channel, bell ms, then for each alert: id, work for a worker
local rings = false
for n = 1, (#ARGV - 3) / 2 do
  local id, work = ARGV[2 + n * 2], ARGV[3 + n * 2]
  local state, members, mark = KEYS[3 + n * 3], KEYS[4 + n * 3], KEYS[5 + n * 3]
  redis.call('DEL', state)
  local last = mark ~= state and redis.call('GET', mark)
  if last and string.sub(last, -#id - 1) == ' ' .. id then
    redis.call('DEL', mark)
  end
  local facts = redis.call('HGET', KEYS[3], id)
  if facts then
    local severity, phase = string.match(facts, '^(%S+) .* (%S+)$')
    redis.call('ZREM', ARGV[1] .. phase, id)
    redis.call('HINCRBY', KEYS[4], phase .. '|' .. severity, -1)
    redis.call('HDEL', KEYS[3], id)
  end
  redis.call('ZREM', KEYS[1], id)
  redis.call('ZREM', KEYS[2], id)
  if redis.call('LLEN', members) > 1 then
    append('dispatch', '||', work, #work, 1)
    rings = true
  else
    redis.call('DEL', members)
  end
end
if rings and redis.call('SET', KEYS[5], '1', 'NX', 'PX', ARGV[3]) then
  redis.call('PUBLISH', ARGV[2], '')
end
return {}
