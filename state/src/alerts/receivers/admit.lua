-- Takes semaphore slots for calls to receivers.
-- KEYS  disabled, holders (name by when it is declared dead), then for each receiver: breaker, calls, rate
-- ARGV  now ms, pause of a breaker ms, a name for the calls, which begins with their holder's name and a colon,
--       then for each receiver: id, calls wanted, longest call ms, most calls at the same time, ms between two calls
--       or 0, number of slots that are given back, these slots
-- Gives for each receiver: why there are not more slots ('' | 'disabled' | 'breaker' | 'rate' | 'concurrency'), until
--       when ms, number of slots, slots, number of fields, the breaker's fields: name, value
local out, now, pause = {}, tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local server_ms = time[1] * 1000 + math.floor(time[2] / 1000)
-- Whether the worker that holds a slot is alive.
local function lives(place)
  local till = redis.call('ZSCORE', KEYS[2], string.match(place, '^[^:]*'))
  return till and tonumber(till) > server_ms
end
local i = 4
for n = 1, (#KEYS - 2) / 3 do
  local k = 3 + (n - 1) * 3
  local id, wanted, longest = ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
  local breaker, calls, rate, interval = KEYS[k], KEYS[k + 1], KEYS[k + 2], tonumber(ARGV[i + 4])
  local why, till, free, back = '', 0, wanted, tonumber(ARGV[i + 5])
  if back > 0 then
    redis.call('ZREM', calls, unpack(ARGV, i + 6, i + 5 + back))
  end
  local open = tonumber(redis.call('HGET', breaker, 'open') or nil)
  local probes = false
  if redis.call('HEXISTS', KEYS[1], id) == 1 then
    why, free = 'disabled', 0
  elseif open then
    -- Neither a wrong clock nor a dead trial call may keep it open for longer.
    open = math.min(open, now + pause)
    local probe = tonumber(redis.call('HGET', breaker, 'probe') or nil)
    probe = probe and math.min(probe, now + longest + 1000)
    if probe and not lives(redis.call('HGET', breaker, 'prober') or '') then probe = nil end
    if now < open then
      why, till, free = 'breaker', open, 0
    elseif probe and now < probe then
      why, till, free = 'breaker', probe, 0
    else
      probes, free = true, math.min(free, 1)
      why, till = 'breaker', now + longest + 1000
    end
  end
  if free > 0 then
    redis.call('ZREMRANGEBYSCORE', calls, '-inf', now)
    local places = tonumber(ARGV[i + 3]) - redis.call('ZCARD', calls)
    if places < free then
      for _, place in ipairs(redis.call('ZRANGE', calls, 0, -1)) do
        if not lives(place) then places = places + redis.call('ZREM', calls, place) end
      end
    end
    if places < free then
      free, why = math.max(places, 0), probes and why or 'concurrency'
    end
  end
  if free > 0 and interval > 0 then
    -- The bucket is stored as the time at which it is full again; it holds the calls of a minute.
    local full = math.max(now, tonumber(redis.call('GET', rate) or 0))
    local tokens = math.floor((60000 - (full - now)) / interval)
    if tokens < free then
      free, why = math.max(tokens, 0), 'rate'
      till = math.ceil(full + (free + 1) * interval - 60000)
    end
    if free > 0 then
      full = full + free * interval
      redis.call('SET', rate, string.format('%.3f', full), 'PX', math.ceil(full - now))
    end
  end
  if probes and free > 0 then
    redis.call('HSET', breaker, 'probe', string.format('%.0f', now + longest + 1000), 'prober', ARGV[3])
    free = 1
  end
  out[#out + 1] = why
  out[#out + 1] = string.format('%.0f', till)
  out[#out + 1] = free
  for call = 1, free do
    local place = ARGV[3] .. ':' .. n .. ':' .. call
    redis.call('ZADD', calls, string.format('%.0f', now + longest), place)
    out[#out + 1] = place
  end
  if free > 0 then
    redis.call('PEXPIRE', calls, longest)
  end
  i = i + 6 + back
  local fields = redis.call('HGETALL', breaker)
  out[#out + 1] = #fields / 2
  for _, value in ipairs(fields) do
    out[#out + 1] = value
  end
end
return out
