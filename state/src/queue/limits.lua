-- Checks the token buckets before a submission is taken in. It stands before enqueue.lua where there are limits;
-- without limits it is neither sent nor run. Before this stand KEY_TOKEN and KEY_BURST, SITE_TOKEN and SITE_BURST:
-- microseconds per token and per burst, a burst of 0 for no limit. A bucket is stored as the time at which it will be
-- full again, and expires then. Tokens are taken from all buckets or from none.
local now = redis.call('TIME')
now = now[1] * 1000000 + now[2]
-- Gives the milliseconds to wait; if there is no wait, gives also how to take the tokens.
local function limit(number, count)
  local first = count + 1
  local wait, taken = 0, {}
  for key, rate in pairs({
    [KEYS[first]] = {KEY_TOKEN, KEY_BURST}, [KEYS[first + number]] = {SITE_TOKEN, SITE_BURST},
  }) do
    if rate[2] > 0 then
      local full = math.max(now, tonumber(redis.call('GET', key) or 0)) + rate[1]
      wait = math.max(wait, full - now - rate[2])
      taken[key] = full
    end
  end
  return math.ceil(wait / 1000), function()
    for key, full in pairs(taken) do
      redis.call('SET', key, string.format('%.0f', full), 'PX', math.ceil((full - now) / 1000))
    end
  end
end
