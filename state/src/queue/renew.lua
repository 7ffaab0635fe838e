-- Notes that a worker is alive. flows.lua stands before this. ARGV holder, '1' if it is known, lease ms
-- Gives '0' if it was declared dead meanwhile
return {alive(ARGV[1], ARGV[2] == '1', clock_ms(), ARGV[3]) and '0' or '1'}
