-- A worker leaves. It is taken for dead at once, so that what it holds without knowing of it waits again: the reply that would
-- have told it was lost. flows.lua stands before this. ARGV holder
redis.call('ZADD', HOLDERS, 1, ARGV[1])
return {}
