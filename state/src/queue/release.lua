-- Gives back entries that could not be finished for a reason that is not theirs. They rest for a while, and the attempt
-- does not count. An id may come several times, once for each submission of the entry. flows.lua stands before this.
-- ARGV queue, holder, ms to rest, the name under which they rest, ids. Gives how many rest
local queue, holder, count = ARGV[1], ARGV[2], 0
for i = 5, #ARGV do
  local held = redis.call('HGET', HELD .. queue, ARGV[i])
  local owner, rest = string.match(held or '', '^([^%s.]+)%S*(.*)$')
  if owner == holder then
    redis.call('HSET', HELD .. queue, ARGV[i], ARGV[4] .. rest)
    count = count + 1
  end
end
if count > 0 then
  redis.call('ZADD', HOLDERS, whole(clock_ms() + ARGV[3]), ARGV[4])
end
return {count}
