-- Hands out entries until ARGV[2] submissions or alerts are out. What was claimed longer than a lease ago comes first: its
-- worker is gone. An entry of many submissions, which has their number as `n`, is handed out whole, so there may be more.
-- KEYS  stream, bell, settings, how many submissions there are beyond one for each entry
-- ARGV  group, count, lease ms, '1' to look for ended leases, '1' to take the bell down when there is nothing
-- Gives the revision of the settings in force or '', then id, attempt, number of submissions, payload for each entry
local stream, group, left = KEYS[1], ARGV[1], tonumber(ARGV[2])
local out = {redis.call('HGET', KEYS[3], 'revision') or ''}
-- How many entries are taken together before it is known how much they hold: few, if those of the stream hold many.
local more = tonumber(redis.call('GET', KEYS[4]) or 0)
local SOME = more == 0 and left or more < 7 * redis.call('XLEN', stream) and 32 or 8

local function give(entry, attempt)
  if entry and entry[2] then
    local number = tonumber(entry[2][4]) or 1
    local to = #out
    out[to + 1], out[to + 2], out[to + 3], out[to + 4] = entry[1], attempt, number, entry[2][2]
    left = left - number
  end
end

-- Puts the submissions of an entry onto the stream one by one in its place.
local function split(id)
  local entry = redis.call('XRANGE', stream, id, id)[1]
  local number = entry and tonumber(entry[2][4]) or 1
  if number == 1 then return false end
  for payload in string.gmatch(entry[2][2], '[^\n]+') do
    redis.call('XADD', stream, '*', 'd', payload)
  end
  redis.call('XACK', stream, group, id)
  redis.call('XDEL', stream, id)
  redis.call('DECRBY', KEYS[4], number - 1)
  return true
end

if ARGV[4] == '1' then
  local pending = redis.pcall('XPENDING', stream, group, 'IDLE', ARGV[3], '-', '+', left)
  if pending.err then
    if not string.find(pending.err, 'NOGROUP', 1, true) then return pending end
    redis.call('XGROUP', 'CREATE', stream, group, '0', 'MKSTREAM')
    pending = {}
  end
  -- Entries that vanished once were most likely lost with their host: all together. An entry that vanished twice may
  -- be what brings the worker down: alone, so that it takes no healthy neighbour along.
  local ids, attempts, suspect = {}, {}, nil
  for _, p in ipairs(pending) do
    if p[4] <= 1 then
      ids[#ids + 1] = p[1]
      attempts[p[1]] = p[4] + 1
    elseif not suspect then
      suspect = p
    end
  end
  for first = 1, #ids, SOME do
    if left <= 0 then break end
    local some = {unpack(ids, first, math.min(first + SOME - 1, #ids))}
    local entries = redis.call('XCLAIM', stream, group, 'worker', ARGV[3], unpack(some))
    for _, entry in ipairs(entries) do give(entry, entry and attempts[entry[1]]) end
  end
  if #ids == 0 and suspect and not split(suspect[1]) then
    local entries = redis.call('XCLAIM', stream, group, 'worker', ARGV[3], suspect[1])
    for _, entry in ipairs(entries) do give(entry, suspect[4] + 1) end
    if #out > 1 then return out end
  end
end

local made, rest = false, true
while rest and left > 0 do
  local some = math.min(left, SOME)
  local fresh = redis.pcall('XREADGROUP', 'GROUP', group, 'worker', 'COUNT', some, 'STREAMS', stream, '>')
  if fresh and fresh.err then
    if made or not string.find(fresh.err, 'NOGROUP', 1, true) then return fresh end
    redis.call('XGROUP', 'CREATE', stream, group, '0', 'MKSTREAM')
    made = true
  else
    local entries = fresh and fresh[1][2] or {}
    for _, entry in ipairs(entries) do give(entry, 1) end
    rest = #entries == some
  end
end

if #out == 1 and ARGV[5] == '1' then
  redis.call('DEL', KEYS[2])
end
return out
