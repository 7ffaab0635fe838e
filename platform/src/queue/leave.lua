-- A worker that holds nothing more leaves. flows.lua stands before this. ARGV holder
if redis.call('EXISTS', RESERVED .. ARGV[1]) == 0 then
  redis.call('ZREM', HOLDERS, ARGV[1])
end
return {}
