-- Leaves an answer to a question.
-- KEYS  the answers
-- ARGV  the answer, for how long the answers are kept (ms)
redis.call('RPUSH', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
