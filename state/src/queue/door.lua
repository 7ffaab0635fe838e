-- What the ways in have in common. Before this stand flows.lua, BELL and CLOCK (keys), CAPACITY and QUOTA, CHANNEL and
-- BELL_MS, TICK and TICK_MS.
-- How many submissions the stream has room for. MORE is how many it holds beyond one for each entry.
local function room()
  local entries = redis.call('XLEN', STREAM .. 'score')
  if entries == 0 then
    -- Whoever emptied the stream by hand need not know of it.
    redis.call('DEL', MORE, LOAD)
    return CAPACITY
  end
  return CAPACITY - entries - (redis.call('GET', MORE) or 0)
end
-- How many submissions an API key may still have waiting.
local function quota(key)
  return QUOTA - (redis.call('HGET', LOAD, key) or 0)
end
local function ring(last)
  if redis.call('EXISTS', BELL, CLOCK) == 2 then return end
  if redis.call('SET', BELL, '1', 'NX', 'PX', BELL_MS) then
    redis.call('PUBLISH', CHANNEL, '')
  end
  -- No two entries have one id, so no two announcements are alike.
  if redis.call('SET', CLOCK, 'next ' .. last, 'NX', 'PX', TICK_MS) then
    redis.call('PUBLISH', TICK, 'next ' .. last)
  end
end
