-- Makes changes one after the other, each completely or not at all: only if every key begins with its expected text.
-- KEYS  dispatch stream's bell, clock, all alerts, when each must move next, facts of alerts, revisions of scopes
-- ARGV  bell channel, bell ms, clock channel, clock ms, announcement of a tick, beginnings of keys: indexes of phases,
--       counts, urgent alerts; then for each change:
--       '1' if it puts something onto the stream, '1' if something is due later,
--       number of conditions, for each of them: key, beginning of its value ('': there is none),
--       number of commands, for each of them: number of words, words
-- Gives for each change 1, or 0 if a condition did not hold
-- flows.lua stands before this. Some commands are our own:
-- 'INDEX', alert, time, its facts: adds the alert to the indexes, and removes it from its earlier ones.
-- 'TOUCH', study, site: an alert there changed, and no index did.
-- 'FORGET', alert, work for a worker, state, group members, repeat mark or '': removes the alert. If others were grouped
-- with its message, a worker takes care of these.
-- 'RECOUNT': counts alerts again, and makes the lists of urgent ones again, from the facts.
-- 'APPEND', flow, payload: appends work to the dispatch queue.
-- 'JOURNAL', study, entry: appends to the journal of the study.
-- 'END', entry: ends an entry of the dispatch queue.
--
-- Facts are severity, study, site, assignee, phase. A scope is a study, a site, both, or everything. Each has a count of
-- its alerts by phase and severity, a list of the urgent ones, and a revision that changes with each of them.
local FACTS = '^(%S+) (%S+) (%S+) (%S+) (%S+)$'
-- A list of urgent alerts has those that nobody acknowledged, and after them those that are acknowledged; both are ordered
-- by severity, then by time: no time has as many milliseconds as this.
local FIRST = {grouped = 0, open = 0, delivered = 0, dead = 0, acknowledged = 4}
local RANK, SPAN = {critical = 0, high = 1, moderate = 2, info = 3}, 1e13
local touched, rings, wakes = {}, false, false

local function scopes(study, site)
  return {':' .. study .. '|' .. site, ':' .. study .. '|*', ':*|' .. site, ''}
end

local function touch(study, site)
  for _, scope in ipairs(scopes(study, site)) do
    touched[scope] = true
  end
end

local function urgency(phase, severity, at)
  return whole((FIRST[phase] + (RANK[severity] or 0)) * SPAN + at)
end

local function index(id, at, facts)
  local old = redis.call('HGET', KEYS[5], id)
  local _, _, _, _, before = string.match(old or '', FACTS)
  local severity, study, site, _, phase = string.match(facts, FACTS)
  if before and before ~= phase then
    redis.call('ZREM', ARGV[6] .. before, id)
  end
  redis.call('ZADD', KEYS[3], at, id)
  redis.call('ZADD', ARGV[6] .. phase, at, id)
  redis.call('HSET', KEYS[5], id, facts)
  for _, scope in ipairs(scopes(study, site)) do
    touched[scope] = true
    if before ~= phase then
      redis.call('HINCRBY', ARGV[7] .. scope, phase .. '|' .. severity, 1)
      if before then
        redis.call('HINCRBY', ARGV[7] .. scope, before .. '|' .. severity, -1)
      end
    end
    if FIRST[phase] and FIRST[phase] ~= FIRST[before] then
      redis.call('ZADD', ARGV[8] .. scope, urgency(phase, severity, at), id)
    elseif FIRST[before] and not FIRST[phase] then
      redis.call('ZREM', ARGV[8] .. scope, id)
    end
  end
end

local function forget(id, work, state, members, mark)
  redis.call('DEL', state)
  local last = mark ~= '' and redis.call('GET', mark)
  if last and string.sub(last, -#id - 1) == ' ' .. id then
    redis.call('DEL', mark)
  end
  local severity, study, site, _, phase = string.match(redis.call('HGET', KEYS[5], id) or '', FACTS)
  if severity then
    redis.call('ZREM', ARGV[6] .. phase, id)
    for _, scope in ipairs(scopes(study, site)) do
      touched[scope] = true
      redis.call('HINCRBY', ARGV[7] .. scope, phase .. '|' .. severity, -1)
      redis.call('ZREM', ARGV[8] .. scope, id)
    end
  end
  redis.call('HDEL', KEYS[5], id)
  redis.call('ZREM', KEYS[3], id)
  redis.call('ZREM', KEYS[4], id)
  if redis.call('LLEN', members) > 1 then
    append('dispatch', '||', work, #work, 1)
    rings = true
  else
    redis.call('DEL', members)
  end
end

local function recount()
  local all, seen = redis.call('HGETALL', KEYS[5]), {['']=true}
  for i = 2, #all, 2 do
    local _, study, site = string.match(all[i], FACTS)
    for _, scope in ipairs(study and scopes(study, site) or {}) do
      seen[scope] = true
    end
  end
  for scope in pairs(seen) do
    touched[scope] = true
    redis.call('DEL', ARGV[7] .. scope, ARGV[8] .. scope)
  end
  for i = 1, #all, 2 do
    local severity, study, site, _, phase = string.match(all[i + 1], FACTS)
    local at = FIRST[phase] and redis.call('ZSCORE', KEYS[3], all[i])
    for _, scope in ipairs(severity and scopes(study, site) or {}) do
      redis.call('HINCRBY', ARGV[7] .. scope, phase .. '|' .. severity, 1)
      if at then
        redis.call('ZADD', ARGV[8] .. scope, urgency(phase, severity, at), all[i])
      end
    end
  end
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
  TOUCH = touch,
  FORGET = forget,
  RECOUNT = recount,
  APPEND = function(flow, payload) append('dispatch', flow, payload, #payload, 1) end,
  JOURNAL = function(study, entry)
    redis.call('XADD', JOURNAL .. study, '*', 'e', entry)
    journaled(study)
  end,
  END = ends,
}

local out, i = {}, 9
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
-- A revision never comes again, even if Redis is restored from a backup: it is at least the time in microseconds. The one
-- of everything is the latest of all.
if next(touched) then
  local time, revisions = redis.call('TIME'), {}
  local last = tonumber(redis.call('HGET', KEYS[6], '') or 0)
  local revision = whole(math.max(last + 1, time[1] * 1e6 + time[2]))
  for scope in pairs(touched) do
    revisions[#revisions + 1], revisions[#revisions + 2] = scope, revision
  end
  in_parts('HSET', KEYS[6], revisions)
end
if rings and redis.call('SET', KEYS[1], '1', 'NX', 'PX', ARGV[2]) then
  redis.call('PUBLISH', ARGV[1], '')
end
if wakes and redis.call('SET', KEYS[2], ARGV[5], 'NX', 'PX', ARGV[4]) then
  redis.call('PUBLISH', ARGV[3], ARGV[5])
end
return out
