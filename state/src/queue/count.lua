-- Counts in hashes that cannot be filled. It stands after flows.lua, before the scripts that raise counters of sites.
-- Nobody lists the sites of a study, so a sender can make them up. Only a counter that is new costs more than the raise.
local MOST_COUNTERS, MOST_OF_STUDY, SPARE, MOST_OF_MONTH = 50000, 10000, 5000, 50000

-- Raises a counter of the doors. One that finds no room, in all or within its study's share, is counted with `*` in
-- place of its site; without room for that, in place of its study, too. `counters|<study>` is how many a study has.
local function tally(hash, field, by)
  if redis.call('HINCRBY', hash, field, by) ~= tonumber(by) then return end
  local outcome, study, kind = string.match(field, '^([^|]*|)([^|]*)|[^|]*(|[^|]*)$')
  if not study or string.find(field, '|*|*|', 1, true) then return end
  local share = 'counters|' .. study
  if redis.call('HINCRBY', hash, share, 1) <= MOST_OF_STUDY and redis.call('HLEN', hash) <= MOST_COUNTERS then return end
  redis.call('HDEL', hash, field)
  if redis.call('HINCRBY', hash, share, -1) <= 0 then redis.call('HDEL', hash, share) end
  local other = outcome .. study .. '|*' .. kind
  if redis.call('HINCRBY', hash, other, by) ~= tonumber(by) or redis.call('HLEN', hash) <= MOST_COUNTERS + SPARE then
    return
  end
  redis.call('HDEL', hash, other)
  redis.call('HINCRBY', hash, outcome .. '*|*' .. kind, by)
end

-- Raises a counter of a study's month. One of a day and a site that finds no room is counted with `*` for the site.
local function tally_month(hash, field, by)
  if redis.call('HINCRBY', hash, field, by) ~= by or redis.call('HLEN', hash) <= MOST_OF_MONTH then return end
  local day = string.match(field, '^day|%d+|')
  if not day then return end
  redis.call('HDEL', hash, field)
  redis.call('HINCRBY', hash, day .. '*', by)
end
