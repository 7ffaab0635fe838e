-- Reads an idempotency record. idempotency.rs has its form and writes it; no script writes one.
-- Gives content hash ('erased' if it was erased), study, site, time of receipt, subject and topic; of an erased
-- submission the last two are ''.
local function idempotency(record)
  return string.match(record, '^(%S+) (%S+) (%S+) (%S+) ?(%S*) ?(%S*)$')
end
