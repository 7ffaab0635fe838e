-- Reads a page of the sites' counters, and the sums of all, at one moment. A site is `<study> <site>`; the pages are in
-- the order of these.
-- KEYS  stats
-- ARGV  study, site, '*' for all; the last site of the page before or ''; most
-- Gives the last site if there are more or '', how many sums, then for each sum: outcome, value, then for each counter
--       of the page: field, value
local words, most = redis.call('HGETALL', KEYS[1]), tonumber(ARGV[4])
local sums, counters, page, last = {}, {}, {}, nil
local function cut()
  table.sort(page)
  for i = #page, most + 2, -1 do
    counters[page[i]], page[i] = nil, nil
  end
  last = page[most + 1]
end
for i = 1, #words, 2 do
  local outcome, study, site = string.match(words[i], '^([^|]*)|([^|]*)|([^|]*)|[^|]*$')
  if study and (ARGV[1] == '*' or study == ARGV[1]) and (ARGV[2] == '*' or site == ARGV[2]) then
    sums[outcome] = (sums[outcome] or 0) + words[i + 1]
    local place = study .. ' ' .. site
    if place > ARGV[3] and (not last or place <= last) then
      local own = counters[place]
      if not own then
        own = {}
        counters[place], page[#page + 1] = own, place
      end
      own[#own + 1] = i
      if #page > 2 * most + 1000 then cut() end
    end
  end
end
cut()
local out = {last and page[most] or '', 0}
for outcome, sum in pairs(sums) do
  out[2] = out[2] + 1
  out[#out + 1], out[#out + 2] = outcome, sum
end
for i = 1, math.min(most, #page) do
  for _, place in ipairs(counters[page[i]]) do
    out[#out + 1], out[#out + 2] = words[place], words[place + 1]
  end
end
return out
