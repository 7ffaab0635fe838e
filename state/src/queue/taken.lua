-- Whether a study takes a document in. It stands before the scripts that do so.
-- Before this stand STUDY (the beginning of a key), REFUSES_UNKNOWN, and APART: whether these are Vigil's own submissions.
-- `scope` is '|study|site|kind'; `written` is when it was written, in milliseconds, a blank, and the revision of the study's
-- own settings by which it was checked or '*' when that does not matter.
-- Gives nothing if the study takes it in, or why not: 'stale' when other settings of the study are in force.
local function not_taken(scope, written)
  if APART then return nil end
  local study, site = string.match(scope, '^|([^|]*)|([^|]*)')
  local at, own = string.match(written, '^(%S+) (.*)$')
  local known = redis.call('HMGET', STUDY .. study, 'state', 'closed', 'own', 'site:' .. site)
  local state, closed, current, place = known[1], known[2], known[3] or '', known[4]
  if own ~= '*' and own ~= current then return 'stale' end
  if not state then return REFUSES_UNKNOWN and 'study-unknown' or nil end
  if state == 'draft' then return 'study-draft' end
  if not place then return 'site-unknown' end
  local function is_late(from)
    return tonumber(at) > (tonumber(from) or 0)
  end
  if state == 'closed' and is_late(closed) then return 'study-closed' end
  if place ~= '-' and is_late(place) then return 'site-closed' end
end
