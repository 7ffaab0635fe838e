-- The flows of the queues. A flow is what one API key sends for one site of a study, `key|study|site`: its entries wait in a
-- list, in their order. Flows are served in turn: keys share a queue evenly by cost, the studies of a key share what the key
-- gets, the sites of a study what the study gets. A ring is the sorted set of those that share, by the cost they were served;
-- the least is next, and a newcomer starts level with the least (start-time fair queueing).
-- Entries that were lost with their worker wait in flows of a key of their own, so that they come soon: RETRY; those lost
-- twice, which may be what brings workers down, under SUSPECT, and are handed out alone.
-- Before this stand the names of keys, see names.rs: STREAM, MORE, FLOW, RING, HELD, LOST, LOAD, HOLDERS, RETURNED, RESERVED,
-- DUE, and QUEUES, a list. An API key's part of a flow never is RETRY or SUSPECT.
local RETRY, SUSPECT, MOST_ARGUMENTS = '!', '!!', 1000

local function whole(number)
  return string.format('%.0f', number)
end

-- The server's time in milliseconds.
local function clock_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Calls a command with many arguments, some at a time. Gives the sum of what it gives.
local function in_parts(command, key, arguments, step)
  local sum = 0
  for first = 1, #arguments, step or MOST_ARGUMENTS do
    local last = math.min(first + (step or MOST_ARGUMENTS) - 1, #arguments)
    sum = sum + redis.call(command, key, unpack(arguments, first, last))
  end
  return sum
end

-- Whether an entry came in before another, by their ids.
local function before(one, other)
  local ms, number = string.match(one, '^(%d+)-(%d+)')
  local its_ms, its_number = string.match(other, '^(%d+)-(%d+)')
  if ms ~= its_ms then return tonumber(ms) < tonumber(its_ms) end
  return tonumber(number) < tonumber(its_number)
end

local function rings_of(queue, flow)
  local key, study, site = string.match(flow, '^([^|]*)|([^|]*)|(.*)$')
  local keys = RING .. queue
  local studies = keys .. ':' .. key
  return {keys, key, studies, study, studies .. '|' .. study, site}
end

-- Adds submissions to those of an API key that are not finished.
local function burden(queue, flow, by)
  if queue == 'score' then
    local key = string.match(flow, '^[^|]*')
    if redis.call('HINCRBY', LOAD, key, by) <= 0 then redis.call('HDEL', LOAD, key) end
  end
end

-- Lets an entry of the stream wait in its flow: as the last, or, if it waited before, ahead of those that came in after it.
local function line_up(queue, flow, id, cost, count, again)
  local list, member, earlier, length = FLOW .. queue .. ':' .. flow, id .. ' ' .. cost .. ' ' .. count, {}, nil
  if again then
    local first = redis.call('LINDEX', list, 0)
    while first and before(first, id) do
      earlier[#earlier + 1] = redis.call('LPOP', list)
      first = redis.call('LINDEX', list, 0)
    end
    length = redis.call('LPUSH', list, member)
    for place = #earlier, 1, -1 do redis.call('LPUSH', list, earlier[place]) end
  else
    length = redis.call('RPUSH', list, member)
  end
  if length == 1 then
    local rings = rings_of(queue, flow)
    for level = 1, 5, 2 do
      local ring, child = rings[level], rings[level + 1]
      if not redis.call('ZSCORE', ring, child) then
        local least = redis.call('ZRANGE', ring, 0, 0, 'WITHSCORES')[2]
        redis.call('ZADD', ring, least or '0', child)
      end
    end
  end
  burden(queue, flow, count)
end

-- Puts an entry onto a queue: `count` submissions, a line each. Gives its id.
local function append(queue, flow, payload, cost, count)
  local id
  if count > 1 then
    id = redis.call('XADD', STREAM .. queue, '*', 'd', payload, 'n', count)
    redis.call('INCRBY', MORE, count - 1)
  else
    id = redis.call('XADD', STREAM .. queue, '*', 'd', payload)
  end
  line_up(queue, flow, id, cost, count)
  return id
end

-- Takes the first entries of a flow away, which were worth `cost`, and lets the next flow have its turn.
local function serve(queue, flow, entries, cost)
  local list, rings = FLOW .. queue .. ':' .. flow, rings_of(queue, flow)
  redis.call('LTRIM', list, entries, -1)
  local drained = redis.call('EXISTS', list) == 0
  for level = 5, 1, -2 do
    local ring, child = rings[level], rings[level + 1]
    if drained then
      redis.call('ZREM', ring, child)
      drained = redis.call('EXISTS', ring) == 0
    else
      redis.call('ZINCRBY', ring, cost, child)
    end
  end
end

-- How many of the workers died with which an entry was lost: those that were taken for dead and went on did no harm.
local function losses(lost)
  local count = 0
  for name in string.gmatch(lost or '', ' (%S+)') do
    if not redis.call('ZSCORE', RETURNED, name) then count = count + 1 end
  end
  return count
end

-- Notes that a worker lives; `known` says that it was noted before. One that was taken for dead meanwhile has lost nothing
-- but its entries, and these are not held against it. Gives whether it was.
local function alive(holder, known, now, lease)
  local was_dead = known and not redis.call('ZSCORE', HOLDERS, holder)
  if was_dead then
    redis.call('ZREMRANGEBYSCORE', RETURNED, '-inf', whole(now - 86400000))
    redis.call('ZADD', RETURNED, whole(now), holder)
  end
  redis.call('ZADD', HOLDERS, whole(now + lease), holder)
  return was_dead
end

-- Ends entries that are in somebody's hands. `held` is what HELD says of each. Gives nothing.
local function finished(queue, ids, held)
  in_parts('XDEL', STREAM .. queue, ids)
  in_parts('HDEL', HELD .. queue, ids)
  local more, loads, lost = 0, {}, {}
  for place, id in ipairs(ids) do
    local count, key = string.match(held[place], '^%S+ %d+ (%d+) ([^|]*)')
    more = more + count - 1
    loads[key] = (loads[key] or 0) + count
    if key == RETRY or key == SUSPECT then lost[#lost + 1] = id end
  end
  in_parts('HDEL', LOST .. queue, lost)
  if more > 0 and redis.call('DECRBY', MORE, more) < 0 then
    -- The stream was trimmed by hand.
    redis.call('DEL', MORE)
  end
  for key, count in pairs(loads) do
    burden(queue, key, -count)
  end
end

-- The most that a payload may cost of which nothing but its length is known: documents have bounded contents.
local function most_cost(payload)
  return 8 * #payload
end

-- Puts an entry that a worker has lost where it waits again. What several submissions shared is shared no longer.
local function lost(queue, id, holder, cost, count, flow)
  local names = (redis.call('HGET', LOST .. queue, id) or id) .. ' ' .. holder
  local again = (losses(names) > 1 and SUSPECT or RETRY) .. string.match(flow, '|.*$')
  if count == 1 then
    redis.call('HSET', LOST .. queue, id, names)
    line_up(queue, again, id, cost, 1)
    return
  end
  local entry = redis.call('XRANGE', STREAM .. queue, id, id)[1]
  for payload in string.gmatch(entry and entry[2][2] or '', '[^\n]+') do
    local own = append(queue, again, payload, math.min(tonumber(cost), most_cost(payload)), 1)
    redis.call('HSET', LOST .. queue, own, names)
  end
  redis.call('XDEL', STREAM .. queue, id)
  redis.call('DECRBY', MORE, count - 1)
end

-- Lets what dead workers held wait again, and makes due what they had reserved. A name that begins with a tilde is nobody's:
-- so rests what was given back for a while, and it comes back as if nobody had had it.
local function bury(now)
  local dead, is_dead = redis.call('ZRANGEBYSCORE', HOLDERS, '-inf', whole(now), 'LIMIT', 0, 100), {}
  if #dead == 0 then return end
  for _, holder in ipairs(dead) do is_dead[holder] = true end
  for _, queue in ipairs(QUEUES) do
    local held, back = redis.call('HGETALL', HELD .. queue), {}
    for i = 1, #held, 2 do
      local holder, cost, count, flow = string.match(held[i + 1], '^([^%s.]+)%S* (%d+) (%d+) (.*)$')
      if is_dead[holder] then
        back[#back + 1] = {held[i], holder, cost, tonumber(count), flow}
      end
    end
    table.sort(back, function(one, other) return before(one[1], other[1]) end)
    for place = 1, #back do
      local id, holder, cost, count, flow = unpack(back[place], 1, 5)
      redis.call('HDEL', HELD .. queue, id)
      burden(queue, flow, -count)
      if string.sub(holder, 1, 1) ~= '~' then lost(queue, id, holder, cost, count, flow) end
    end
    for place = #back, 1, -1 do
      local id, holder, cost, count, flow = unpack(back[place], 1, 5)
      if string.sub(holder, 1, 1) == '~' then line_up(queue, flow, id, cost, count, true) end
    end
  end
  for _, holder in ipairs(dead) do
    for _, member in ipairs(redis.call('SMEMBERS', RESERVED .. holder)) do
      redis.call('ZADD', DUE, 0, member)
    end
    redis.call('DEL', RESERVED .. holder)
    redis.call('ZREM', HOLDERS, holder)
  end
end
