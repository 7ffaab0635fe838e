-- Among the next few due entries, removes those of a study. Messages about events stay: they have no content, and their
-- subscribers hear of the erasure. flows.lua stands before this.
-- ARGV study, the study as the flows of messages have it, cursor, how many. Gives the next cursor, '0' at the end
local found = redis.call('ZSCAN', DUE, ARGV[3], 'COUNT', ARGV[4])
for i = 1, #found[2], 2 do
  local key, study, site = string.match(found[2][i], '^%S+ ([^%s|]*)|([^%s|]*)|(%S*) ')
  local is_of_study = study == ARGV[1]
  if key == '*' then
    local is_event = not string.find(found[2][i], ' {"notification":{"about":{"analysis":', 1, true)
    is_of_study = not is_event and string.match(site, '^(.-)%%2F') == ARGV[2]
  end
  if is_of_study then redis.call('ZREM', DUE, found[2][i]) end
end
return {found[1]}
