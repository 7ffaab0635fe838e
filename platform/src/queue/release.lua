-- Gives entries back that could not be finished for a reason that is not theirs: they are handed out again later, and
-- the attempt is not counted. An id may come several times, with each submission of the entry.
-- KEYS stream; ARGV group, ms that they have been idle, ids
for i = 3, #ARGV do
  redis.call('XCLAIM', KEYS[1], ARGV[1], 'worker', 0, ARGV[i], 'IDLE', ARGV[2], 'RETRYCOUNT', 0, 'JUSTID')
end
return {#ARGV - 2}
