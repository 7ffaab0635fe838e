-- The idempotency records of submissions: idempotency.rs has their form. It stands before the scripts that write them.
-- Before this stand SCOPES (a key) and APART: whether these are Vigil's own submissions, which are not remembered.
local ERASED, scope_numbers = string.rep('\0', 16), {}
-- A component gives for a record its field, its value without the number, its scope. Gives field and value.
local function idempotency(given)
  if APART then return '', '' end
  local scope = string.sub(given, 41)
  local number = scope_numbers[scope]
  if not number then
    number = redis.call('ZSCORE', SCOPES, scope)
    if not number then
      number = string.format('%.0f', redis.call('ZCARD', SCOPES) + 1)
      redis.call('ZADD', SCOPES, number, scope)
    end
    scope_numbers[scope] = number
  end
  return string.sub(given, 1, 10), string.sub(given, 11, 40) .. number
end
local function content_of(record)
  return string.sub(record, 1, 16)
end
-- Gives study, site and topic of a record.
local function scope_of(record)
  local number = string.sub(record, 31)
  return string.match(redis.call('ZRANGEBYSCORE', SCOPES, number, number)[1] or '', '^(%S+) (%S+) (%S*)$')
end
-- Remembers submissions if all are new. Gives false if one was remembered before: then nothing is written. From `first`
-- on, `given` has how many each hash gets, then these in the order of the hashes.
local function remember_new(hashes, given, first)
  if APART then return true end
  local place, all = first + #hashes, {}
  for number, hash in ipairs(hashes) do
    local fields, both = {}, {}
    for at = 1, given[first + number - 1] do
      local field, value = idempotency(given[place])
      fields[at], both[2 * at - 1], both[2 * at] = field, field, value
      place = place + 1
    end
    for _, known in ipairs(redis.call('HMGET', hash, unpack(fields))) do
      if known then return false end
    end
    all[number] = both
  end
  for number, hash in ipairs(hashes) do
    redis.call('HSET', hash, unpack(all[number]))
  end
  return true
end
-- Remembers a submission. Gives false if it was remembered before.
local function remember(key, field, value)
  return APART or redis.call('HSETNX', key, field, value) == 1
end
