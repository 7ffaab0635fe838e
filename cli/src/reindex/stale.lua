-- Takes an alert that the store does not have out of Redis, and one that it has out of the index of a phase it is not in.
-- KEYS  all alerts, facts, next, state, the index that names it
-- ARGV  id, '1' if the store has it, prefix of the phases' indexes, the index' phase or '' for that of all
-- Gives 1 if it was taken out of this index
local facts = redis.call('HGET', KEYS[2], ARGV[1])
if ARGV[2] == '0' then
  if facts then
    redis.call('ZREM', ARGV[3] .. string.match(facts, '(%S+)$'), ARGV[1])
    redis.call('HDEL', KEYS[2], ARGV[1])
  end
  redis.call('DEL', KEYS[4])
  redis.call('ZREM', KEYS[3], ARGV[1])
  local all = redis.call('ZREM', KEYS[1], ARGV[1])
  return math.max(all, redis.call('ZREM', KEYS[5], ARGV[1]))
end
if facts and ARGV[4] ~= '' and string.match(facts, '(%S+)$') ~= ARGV[4] then
  return redis.call('ZREM', KEYS[5], ARGV[1])
end
return 0
