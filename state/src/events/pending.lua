-- Finds what subscriptions have not been told of. flows.lua stands before this.
-- KEYS  settings, positions of subscriptions, receivers that want no messages
-- ARGV  revision of the settings that have these subscriptions, prefix of the sets of waiting messages, the most that may
--       wait, then for each subscription: id, receiver, since when in ms, the position of that, number of its studies or 0
--       for all, the studies
-- Gives for each journal with something new, and room for it: number of the subscription (the first is 0), study, how far it
-- is as it is stored or '', its position, the end of the journal, the room
local function parts(position)
  local ms, number = string.match(position or '', '^(%d+)-(%d+)$')
  return tonumber(ms) or 0, tonumber(number) or 0
end

local function is_before(one, other)
  local ms, number = parts(one)
  local other_ms, other_number = parts(other)
  return ms < other_ms or ms == other_ms and number < other_number
end

local ends = {}
local function end_of(study)
  if not ends[study] then
    -- All entries may be sealed, and the journal in Redis empty.
    local last = redis.call('HGET', JOURNALS, study) or '0-0'
    local journal = JOURNAL .. study
    local about = redis.call('EXISTS', journal) == 1 and redis.call('XINFO', 'STREAM', journal) or {}
    for field = 1, #about, 2 do
      if about[field] == 'last-generated-id' then last = about[field + 1] end
    end
    ends[study] = last
  end
  return ends[study]
end

local out, number, i, behind = {}, 0, 4, false
local all = {}
for _, study in ipairs(redis.call('HKEYS', JOURNALS)) do
  -- The journal of looks is of no study: nobody subscribes to it. `*` is that of keys for all studies.
  if study == '*' or string.sub(study, 1, 1) ~= '*' then all[#all + 1] = study end
end
while ARGV[i] do
  local id, receiver, since, begin, count = unpack(ARGV, i, i + 4)
  local studies = count == '0' and all or {unpack(ARGV, i + 5, i + 4 + count)}
  -- Who is enabled again is looked at again.
  if redis.call('HEXISTS', KEYS[3], receiver) == 0 then
    local room = ARGV[3] - redis.call('SCARD', ARGV[2] .. id)
    for _, study in ipairs(studies) do
      local stored = redis.call('HGET', KEYS[2], id .. ' ' .. study) or ''
      local began, position = string.match(stored, '^(%d+) (%S+)$')
      if began ~= since then stored, position = '', begin end
      if is_before(position, end_of(study)) then
        behind = true
        if room > 0 then
          for _, it in ipairs({number, study, stored, position, end_of(study), room}) do out[#out + 1] = it end
        end
      end
    end
  end
  number, i = number + 1, i + 5 + count
end
if not behind and (redis.call('HGET', KEYS[1], 'revision') or '') == ARGV[1] then redis.call('DEL', EVENTS_NEW) end
return out
