-- Counts in hashes that cannot be filled. It stands after flows.lua, before the scripts that raise counters of sites.
-- Nobody lists the sites of a study, so a sender can make them up. Only a counter that is new costs more than the raise.
local MOST_COUNTERS, MOST_OF_STUDY, SPARE, MOST_OF_MONTH, MOST_OF_DAY = 50000, 10000, 5000, 50000, 2000
-- Refusals have a share of their own: a site that is refused takes no room from one whose submissions are accepted.
local MOST_REFUSED, MOST_REFUSED_OF_STUDY = 30000, 2000

-- Raises a counter of the doors. One that finds no room, in all or within its study's share, is counted with `*` in
-- place of its site; without room for that, in place of its study, too. `counters|<study>` is how many a study has of
-- submissions that were taken in, `refused|<study>` of others.
local function tally(hash, field, by)
  if redis.call('HINCRBY', hash, field, by) ~= tonumber(by) then return end
  local outcome, study, kind = string.match(field, '^([^|]*|)([^|]*)|[^|]*(|[^|]*)$')
  if not study or string.find(field, '|*|*|', 1, true) then return end
  local share, most, most_of_study = 'counters|' .. study, MOST_COUNTERS, MOST_OF_STUDY
  if outcome ~= 'accepted|' and outcome ~= 'duplicate|' and outcome ~= 'conflict|' then
    share, most, most_of_study = 'refused|' .. study, MOST_REFUSED, MOST_REFUSED_OF_STUDY
  end
  if redis.call('HINCRBY', hash, share, 1) <= most_of_study and redis.call('HLEN', hash) <= most then return end
  redis.call('HDEL', hash, field)
  if redis.call('HINCRBY', hash, share, -1) <= 0 then redis.call('HDEL', hash, share) end
  local other = outcome .. study .. '|*' .. kind
  if redis.call('HINCRBY', hash, other, by) ~= tonumber(by) or redis.call('HLEN', hash) <= most + SPARE then
    return
  end
  redis.call('HDEL', hash, other)
  redis.call('HINCRBY', hash, outcome .. '*|*' .. kind, by)
end

-- Raises a counter of a study's month. One of a day and a site that finds no room, in all or on its day, is counted with
-- `*` for the site: sites that were made up on one day take no room from those of the next. `sites|<day>` is how many
-- sites a day has.
local function tally_month(hash, field, by)
  if redis.call('HINCRBY', hash, field, by) ~= by then return end
  local day = string.match(field, '^day|(%d+)|[^*]')
  if not day then return end
  local share = 'sites|' .. day
  if redis.call('HINCRBY', hash, share, 1) <= MOST_OF_DAY and redis.call('HLEN', hash) <= MOST_OF_MONTH then return end
  redis.call('HDEL', hash, field)
  if redis.call('HINCRBY', hash, share, -1) <= 0 then redis.call('HDEL', hash, share) end
  redis.call('HINCRBY', hash, 'day|' .. day .. '|*', by)
end
