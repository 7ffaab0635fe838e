-- Hands out up to ARGV[2] entries. What was claimed longer than a lease ago comes first: its worker is gone.
-- KEYS  stream, bell, settings
-- ARGV  group, count, lease ms, '1' to look for ended leases, '1' to take the bell down when there is nothing
-- Gives the revision of the settings in force or '', then id, attempt, payload for each entry
local stream, group, count = KEYS[1], ARGV[1], tonumber(ARGV[2])
local out = {redis.call('HGET', KEYS[3], 'revision') or ''}

local function give(entry, attempt)
  if entry and entry[2] then
    out[#out + 1] = entry[1]
    out[#out + 1] = attempt
    out[#out + 1] = entry[2][2]
  end
end

if ARGV[4] == '1' then
  local pending = redis.pcall('XPENDING', stream, group, 'IDLE', ARGV[3], '-', '+', count)
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
  if #ids > 0 then
    local entries = redis.call('XCLAIM', stream, group, 'worker', ARGV[3], unpack(ids))
    for _, entry in ipairs(entries) do give(entry, entry and attempts[entry[1]]) end
  elseif suspect then
    local entries = redis.call('XCLAIM', stream, group, 'worker', ARGV[3], suspect[1])
    for _, entry in ipairs(entries) do give(entry, suspect[4] + 1) end
    if #out > 1 then return out end
  end
end

local left = count - (#out - 1) / 3
if left > 0 then
  local fresh = redis.pcall('XREADGROUP', 'GROUP', group, 'worker', 'COUNT', left, 'STREAMS', stream, '>')
  if fresh and fresh.err then
    if not string.find(fresh.err, 'NOGROUP', 1, true) then return fresh end
    redis.call('XGROUP', 'CREATE', stream, group, '0', 'MKSTREAM')
    fresh = redis.call('XREADGROUP', 'GROUP', group, 'worker', 'COUNT', left, 'STREAMS', stream, '>')
  end
  if fresh then
    for _, entry in ipairs(fresh[1][2]) do give(entry, 1) end
  end
end

if #out == 1 and ARGV[5] == '1' then
  redis.call('DEL', KEYS[2])
end
return out
