-- Among the next few dead letters, removes those of a study. A letter that does not name its study has the submission, which
-- is erased by now. KEYS dead, erased; ARGV study, from, how many. Gives the last id looked at, '' at the end
local function is_of_study(payload)
  local read, entry = pcall(cjson.decode, payload)
  if not read or type(entry) ~= 'table' then
    return string.find(payload, '"studyId":"' .. ARGV[1] .. '"', 1, true) ~= nil
  end
  local _, work = next(entry)
  if type(work) ~= 'table' then return false end
  local within = type(work.submission) == 'table' and work.submission or work.job
  if type(within) == 'table' then work = within end
  local study = work.studyId or work.study
  if study then return study == ARGV[1] end
  return type(work.submissionId) == 'string' and redis.call('HEXISTS', KEYS[2], work.submissionId) == 1
end
local letters, last = redis.call('XRANGE', KEYS[1], ARGV[2], '+', 'COUNT', ARGV[3]), ''
for _, letter in ipairs(letters) do
  last = letter[1]
  for i = 1, #letter[2], 2 do
    if letter[2][i] == 'd' and is_of_study(letter[2][i + 1]) then
      redis.call('XDEL', KEYS[1], last)
    end
  end
end
return {last}
