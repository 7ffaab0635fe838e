-- Closes groups, so that no alert joins a message that is being sent.
-- KEYS  members of each leader; ARGV  the leaders
-- Gives for each leader: number of members, members
local out = {}
for i, key in ipairs(KEYS) do
  local members = redis.call('LRANGE', key, 0, -1)
  local group = members[1]
  if group then
    local open = redis.call('GET', group)
    if open and string.sub(open, -#ARGV[i] - 1) == ' ' .. ARGV[i] then
      redis.call('DEL', group)
    end
  end
  out[#out + 1] = math.max(#members - 1, 0)
  for m = 2, #members do
    out[#out + 1] = members[m]
  end
end
return out
