-- Reads the kept answer. If it is missing or stale and nobody else has the turn, takes the turn to ask for it.
-- KEYS  entry, lock, settings
-- ARGV  token of the caller, ms that a turn lasts
-- Gives '1' if the caller has the turn, the revision of the settings, then if there is something: when it was had (ms),
-- kind, body
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local revision = redis.call('HGET', KEYS[3], 'revision') or ''
local kept = redis.call('HMGET', KEYS[1], 'revision', 'until', 'at', 'kind', 'body')
local there = kept[1] == revision
local turn = '0'
if not there or now >= tonumber(kept[2]) then
  -- A repeated call finds its own lock.
  if redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) or redis.call('GET', KEYS[2]) == ARGV[1] then
    turn = '1'
  end
end
if there then
  return {turn, revision, kept[3], kept[4], kept[5]}
end
return {turn, revision}
