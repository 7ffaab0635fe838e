-- Makes changes one after the other, each completely or not at all: only if every key begins with its expected text.
-- KEYS  dispatch stream's bell, clock
-- ARGV  bell channel, bell ms, clock channel, clock ms, announcement of a tick, then for each change:
--       '1' if it puts something onto the stream, '1' if something is due later,
--       number of conditions, for each of them: key, beginning of its value ('': there is none),
--       number of commands, for each of them: number of words, words
-- Gives for each change 1, or 0 if a condition did not hold
-- flows.lua stands before this. Some commands are our own: 'INDEX', all alerts, facts, counts, prefix of the phases'
-- indexes, alert, time, its facts: adds the alert to the indexes, and removes it from its earlier ones. 'APPEND', flow,
-- payload: appends work to the dispatch queue. 'END', entry: ends an entry of the dispatch queue.
local function index(all, facts, counts, prefix, id, at, new)
  local old = redis.call('HGET', facts, id)
  if old then
    local severity, phase = string.match(old, '^(%S+) .* (%S+)$')
    redis.call('ZREM', prefix .. phase, id)
    redis.call('HINCRBY', counts, phase .. '|' .. severity, -1)
  end
  local severity, phase = string.match(new, '^(%S+) .* (%S+)$')
  redis.call('ZADD', all, at, id)
  redis.call('ZADD', prefix .. phase, at, id)
  redis.call('HINCRBY', counts, phase .. '|' .. severity, 1)
  redis.call('HSET', facts, id, new)
end

local function ends(id)
  local held = redis.call('HGET', HELD .. 'dispatch', id)
  if held then
    finished('dispatch', {id}, {held})
  else
    redis.call('XDEL', STREAM .. 'dispatch', id)
  end
end

local own = {
  INDEX = index,
  APPEND = function(flow, payload) append('dispatch', flow, payload, #payload, 1) end,
  END = ends,
}

local out, i, rings, wakes = {}, 6, false, false
while ARGV[i] do
  local pushes, delays, holds = ARGV[i] == '1', ARGV[i + 1] == '1', true
  local conditions = tonumber(ARGV[i + 2])
  i = i + 3
  for _ = 1, conditions do
    local value, expected = redis.call('GET', ARGV[i]), ARGV[i + 1]
    if expected == '' then
      holds = holds and not value
    else
      holds = holds and value and string.sub(value, 1, #expected) == expected
    end
    i = i + 2
  end
  local commands = tonumber(ARGV[i])
  i = i + 1
  for _ = 1, commands do
    local words = tonumber(ARGV[i])
    local ours = own[ARGV[i + 1]]
    if holds and ours then
      ours(unpack(ARGV, i + 2, i + words))
    elseif holds then
      redis.call(unpack(ARGV, i + 1, i + words))
    end
    i = i + 1 + words
  end
  out[#out + 1] = holds and 1 or 0
  rings = rings or (holds and pushes)
  wakes = wakes or (holds and (pushes or delays))
end
if rings and redis.call('SET', KEYS[1], '1', 'NX', 'PX', ARGV[2]) then
  redis.call('PUBLISH', ARGV[1], '')
end
if wakes and redis.call('SET', KEYS[2], ARGV[5], 'NX', 'PX', ARGV[4]) then
  redis.call('PUBLISH', ARGV[3], ARGV[5])
end
return out
