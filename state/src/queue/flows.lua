-- The flows of the queues. A flow is what one API key sends for one site of a study, `key|study|site`. Its entries wait
-- in a list, in their order. Flows are served in turn, by start-time fair queueing: the keys share a queue evenly by
-- cost, the studies of a key share its part, and the sites of a study share the study's part. A ring is a sorted set of
-- those that share, scored by the cost served so far. The lowest is next; a newcomer starts level with the lowest.
--
-- Entries that were lost with their worker wait in flows of special keys. RETRY is for entries lost once: they come
-- soon. SUSPECT is for entries lost twice, which may be the ones that crash workers: they are handed out alone.
--
-- Before this stand the names of keys, see names.rs: STREAM, MORE, FLOW, RING, HELD, LOST, LOAD, HOLDERS, RETURNED,
-- RESERVED, DUE, and QUEUES, a list. No API key has the id RETRY or SUSPECT.
local RETRY, SUSPECT, MOST_ARGUMENTS = '!', '!!', 1000

local function whole(number)
  return string.format('%.0f', number)
end

-- The server's time in milliseconds.
local function clock_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Calls a command with many arguments in several calls. Gives the sum of the replies.
local function in_parts(command, key, arguments, step)
  local sum = 0
  for first = 1, #arguments, step or MOST_ARGUMENTS do
    local last = math.min(first + (step or MOST_ARGUMENTS) - 1, #arguments)
    sum = sum + redis.call(command, key, unpack(arguments, first, last))
  end
  return sum
end

-- Whether one entry came in before the other, by their ids.
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

-- Notes that the journal of a study has a new entry: the clock looks for subscribers.
local function journaled(study)
  redis.call('HSETNX', JOURNALS, study, '0-0')
  redis.call('SET', EVENTS_NEW, '1')
end

-- Adds to the number of unfinished submissions of an API key.
local function burden(queue, flow, by)
  if queue == 'score' then
    local key = string.match(flow, '^[^|]*')
    if redis.call('HINCRBY', LOAD, key, by) <= 0 then redis.call('HDEL', LOAD, key) end
  end
end

-- Lets an entry of the stream wait in its flow, at the end. An entry that waited before goes ahead of later entries.
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

-- Appends an entry to a queue: `count` submissions, a line each. Gives its id.
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

-- Removes the first entries of a flow, whose cost was `cost`, and passes the turn to the next flow.
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

-- Counts the workers that died while they held an entry. A worker that was declared dead but went on does not count.
local function losses(lost)
  local count = 0
  for name in string.gmatch(lost or '', ' (%S+)') do
    if not redis.call('ZSCORE', RETURNED, name) then count = count + 1 end
  end
  return count
end

-- Notes that a worker is alive; `known` says whether it was noted before. A worker that was declared dead meanwhile has
-- lost its entries, but the loss does not count against these. Gives whether it was declared dead.
local function alive(holder, known, now, lease)
  local was_dead = known and not redis.call('ZSCORE', HOLDERS, holder)
  if was_dead then
    redis.call('ZREMRANGEBYSCORE', RETURNED, '-inf', whole(now - 86400000))
    redis.call('ZADD', RETURNED, whole(now), holder)
  end
  redis.call('ZADD', HOLDERS, whole(now + lease), holder)
  return was_dead
end

-- Ends entries that a worker holds. `held` is their values in HELD. Gives nothing.
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
    -- Somebody trimmed the stream by hand.
    redis.call('DEL', MORE)
  end
  for key, count in pairs(loads) do
    burden(queue, key, -count)
  end
end

-- The highest possible cost of a payload of which only the length is known. Documents have bounded contents.
local function most_cost(payload)
  return 8 * #payload
end

-- Lets an entry that a worker lost wait again. If it held several submissions, each becomes an entry of its own.
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

-- Lets the entries of dead workers wait again, and makes their reserved work due. A name that begins with a tilde is no
-- worker: it holds released entries for a while. These come back without counting the attempt.
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
