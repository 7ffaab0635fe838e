-- Shared by all scripts that take submissions in. Before this stand flows.lua, BELL and CLOCK (keys), CAPACITY and
-- QUOTA, CHANNEL and BELL_MS, TICK and TICK_MS, STUDIES_ERASING.
-- Returns how many more submissions the stream has room for. Entries may share: MORE counts submissions minus entries.
local function room()
  local entries = redis.call('XLEN', STREAM .. 'score')
  if entries == 0 then
    -- If somebody emptied the stream by hand, these counters are stale.
    redis.call('DEL', MORE, LOAD)
    return CAPACITY
  end
  return CAPACITY - entries - (redis.call('GET', MORE) or 0)
end
-- Returns how many more submissions an API key may have waiting.
local function quota(key)
  return QUOTA - (redis.call('HGET', LOAD, key) or 0)
end
local function ring(last)
  if redis.call('EXISTS', BELL, CLOCK) == 2 then return end
  if redis.call('SET', BELL, '1', 'NX', 'PX', BELL_MS) then
    redis.call('PUBLISH', CHANNEL, '')
  end
  -- Entry ids are unique, so announcements are unique too.
  if redis.call('SET', CLOCK, 'next ' .. last, 'NX', 'PX', TICK_MS) then
    redis.call('PUBLISH', TICK, 'next ' .. last)
  end
end
-- Returns whether the study of a flow is being erased.
local function is_erasing(flow)
  return redis.call('SISMEMBER', STUDIES_ERASING, string.match(flow, '^[^|]*|([^|]*)')) == 1
end
