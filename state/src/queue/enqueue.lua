-- Takes submissions in, one or many, in their order: remembers each, appends it, counts it. Then rings once.
-- Before this stand STATS, SETTINGS and STUDIES_ERASING (keys), flows.lua, count.lua, door.lua, which defines `room`,
-- `quota`, `ring` and `is_erasing`, idempotency.lua, taken.lua, which defines `not_taken`, and with limits limits.lua,
-- which defines `limit`.
-- KEYS  the hash of each submission's idempotency record; with limits the bucket of the key, then the bucket of the site
--       of each submission; for an amendment, which comes alone, at the end the hash of the amended one's record and its
--       superseded mark
-- ARGV  revision of the settings by which they were checked or '' when it does not matter, then for each submission:
--       idempotency record, stats suffix, when it was written and the revision of its study's own settings (taken.lua),
--       flow, cost, payload; for an amendment at the end the amended one's id
--       as bytes, the subjects, as idempotency records name them, whose submissions it may replace, and its own id
-- Gives how many were appended, then for each of the others: its number, outcome, facts. The outcomes:
--       'duplicate', first record | 'conflict', first record | 'gone' | 'full' | 'amends-unknown' | 'amends-other'
--       | 'amends-gone' | 'not-current' | 'limited', milliseconds to wait | 'quota': too much of the key waits
--       | 'stale': other settings are in force | 'erasing': the study is being erased | 'not-taken', why: its study does
--       not take it in
if ARGV[1] ~= '' and redis.call('HGET', SETTINGS, 'revision') ~= ARGV[1] then
  local out = {0}
  for number = 1, math.floor((#ARGV - 1) / 6) do
    out[#out + 1], out[#out + 2], out[#out + 3] = number, 'stale', ''
  end
  return out
end
-- Studies are erased seldom: one look for all.
local studies_erasing = redis.call('EXISTS', STUDIES_ERASING) == 1
-- The common case: one submission, new, with room.
if #ARGV == 7 and not limit and not studies_erasing and room() > 0 and quota(string.match(ARGV[5], '^[^|]*')) > 0
  and not not_taken(ARGV[3], ARGV[4]) and remember(KEYS[1], idempotency(ARGV[2])) then
  local entry = append('score', ARGV[5], ARGV[7], ARGV[6], 1)
  tally(STATS, 'accepted' .. ARGV[3], 1)
  ring(entry)
  return {1}
end
local count = math.floor((#ARGV - 1) / 6)
local amends = #ARGV - 1 > 6 * count
local room = room()
local out, counts, taken, last = {0}, {}, 0, nil

local function refused(record)
  local id = ARGV[#ARGV - 2]
  local amended = redis.call('HGET', KEYS[#KEYS - 1], string.sub(id, 7))
  if not amended or string.sub(amended, 17, 22) ~= string.sub(id, 1, 6) then return 'amends-unknown' end
  local study, site, topic = scope_of(record)
  local its_study, its_site, its_topic = scope_of(amended)
  local theirs, who = false, string.sub(amended, 23, 30)
  for at = 1, #ARGV[#ARGV - 1], 8 do
    theirs = theirs or string.sub(ARGV[#ARGV - 1], at, at + 7) == who
  end
  if content_of(amended) == ERASED then theirs = false end
  if its_study ~= study or (its_site ~= site and not theirs) then
    return 'amends-unknown'
  elseif content_of(amended) == ERASED then
    return 'amends-gone'
  elseif not theirs or its_topic ~= topic then
    return 'amends-other'
  elseif redis.call('EXISTS', KEYS[#KEYS]) == 1 then
    return 'not-current'
  end
end

for number = 1, count do
  local key, given, suffix, written, flow, cost = KEYS[number], unpack(ARGV, 6 * number - 4, 6 * number)
  local field, record = idempotency(given)
  local open = taken < room
  local within = open and quota(string.match(flow, '^[^|]*')) > 0
  local outcome, facts, first, wait, take = nil, '', false, 0, nil
  local why = not_taken(suffix, written)
  if studies_erasing and is_erasing(flow) then
    outcome = 'erasing'
  elseif limit then
    -- Clients resend a batch whole. Submissions that are there already must not use up the room that the rest needs.
    if count > 1 then first = redis.call('HGET', key, field) end
    if not first then wait, take = limit(number, count) end
  end
  if wait > 0 then
    outcome, facts = 'limited', wait
  elseif outcome then
    -- It is erasing.
  elseif why == 'stale' then
    outcome, first = why, false
  elseif not first and (why or amends or limit or not within or not remember(key, field, record)) then
    first = redis.call('HGET', key, field)
  end
  if first then
    if content_of(first) == ERASED then
      outcome = 'gone'
    else
      outcome, facts = content_of(first) == content_of(record) and 'duplicate' or 'conflict', first
      local counter = outcome .. suffix
      counts[counter] = (counts[counter] or 0) + 1
      if take then take() end
    end
  elseif not outcome and why then
    outcome, facts = 'not-taken', why
  elseif not outcome and amends then
    outcome = refused(record)
  end
  if not outcome and not within then
    outcome = open and 'quota' or 'full'
  end
  if outcome then
    out[#out + 1], out[#out + 2], out[#out + 3] = number, outcome, facts
  else
    if amends or limit then
      remember(key, field, record)
      if amends then redis.call('SET', KEYS[#KEYS], ARGV[#ARGV]) end
      if take then take() end
    end
    last = append('score', flow, ARGV[6 * number + 1], cost, 1)
    taken = taken + 1
    local counter = 'accepted' .. suffix
    counts[counter] = (counts[counter] or 0) + 1
  end
end

for counter, by in pairs(counts) do
  tally(STATS, counter, by)
end
if last then ring(last) end
out[1] = taken
return out
