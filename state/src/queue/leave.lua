-- A worker leaves. It is declared dead at once. If the reply to a claim was lost, the entries of that claim wait again.
-- flows.lua stands before this. ARGV holder
redis.call('ZADD', HOLDERS, 1, ARGV[1])
return {}
