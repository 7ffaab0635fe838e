-- Whether studies would take documents in. Before this stands taken.lua, which defines `not_taken`.
-- ARGV for each document: '|study|site|', when it was written and the revision of the study's own settings
-- Gives for each why not, or ''
local out = {}
for at = 1, #ARGV, 2 do
  out[#out + 1] = not_taken(ARGV[at], ARGV[at + 1]) or ''
end
return out
