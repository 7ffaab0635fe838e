-- Asks for a semaphore slot at a service. Tickets get slots in order of arrival.
-- KEYS  held (ticket by when its call must have ended), line (ticket by time of arrival), seen (ticket by when it
--       counts as gone), holders (name by when it is declared dead); a ticket begins with its holder's name and a colon
-- ARGV  ticket, most slots, the longest call ms, ms until a ticket that does not ask is gone, '1' to leave the line if
--       it is full
-- Gives 0 when the slot is held, else the ticket's turn in the line
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  return {0}
end
for _, gone in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now)) do
  redis.call('ZREM', KEYS[2], gone)
  redis.call('ZREM', KEYS[3], gone)
end
redis.call('ZADD', KEYS[2], 'NX', string.format('%.0f', time[1] * 1000000 + time[2]), ARGV[1])
local ahead = redis.call('ZRANK', KEYS[2], ARGV[1])
local function is_free()
  return redis.call('ZCARD', KEYS[1]) + ahead < tonumber(ARGV[2])
end
local free = is_free()
if not free then
  for _, ticket in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
    local until_ms = redis.call('ZSCORE', KEYS[4], string.match(ticket, '^[^:]*'))
    if not until_ms or tonumber(until_ms) <= now then redis.call('ZREM', KEYS[1], ticket) end
  end
  free = is_free()
end
if free or ARGV[5] == '1' then
  redis.call('ZREM', KEYS[2], ARGV[1])
  redis.call('ZREM', KEYS[3], ARGV[1])
end
if free then
  redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[3]), ARGV[1])
  redis.call('PEXPIRE', KEYS[1], string.format('%.0f', ARGV[3] * 2))
  return {0}
end
if ARGV[5] ~= '1' then
  redis.call('ZADD', KEYS[3], string.format('%.0f', now + ARGV[4]), ARGV[1])
  redis.call('PEXPIRE', KEYS[2], 60000)
  redis.call('PEXPIRE', KEYS[3], 60000)
end
return {ahead + 1}
