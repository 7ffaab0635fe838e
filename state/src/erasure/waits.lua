-- Whether submissions, alerts or analyses of a study wait for a worker or are in the hands of one. Messages about events
-- do not count: they have no content. flows.lua stands before this. ARGV study, then the queues
local function is_of_study(flow)
  local key, study = string.match(flow, '^([^|]*)|([^|]*)|')
  return key ~= '*' and study == ARGV[1]
end
for q = 2, #ARGV do
  local ring = RING .. ARGV[q]
  for _, key in ipairs(redis.call('ZRANGE', ring, 0, -1)) do
    if key ~= '*' and redis.call('ZSCORE', ring .. ':' .. key, ARGV[1]) then return {'1'} end
  end
  local held = redis.call('HGETALL', HELD .. ARGV[q])
  for i = 2, #held, 2 do
    if is_of_study(string.match(held[i], '^%S+ %d+ %d+ (.*)$') or '') then return {'1'} end
  end
end
return {'0'}
