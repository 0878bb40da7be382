/**
 * Changes and reads the tallies of one slot, the same way as `windows.ts`.
 *
 * KEYS: the tallies (ARGV[3] of them), then keys that are only read. All share one hash tag.
 * ARGV: second of the attempt, `1` to write or `0` to judge only, number of tallies, how far ahead an entry may lie, one
 * time to live in ms per tally, then six values per change: index of the tally, name, window (s), bucket (s), cap of a
 * set or `0` for a counter, member of the set or empty for a counter.
 * Reply: each tally as JSON, then each other key's raw value or nil.
 *
 * The clock is the caller's: several managed servers refuse TIME in a script that writes. A tally that is written gets
 * its expiry in the same command, so that none can be left without one.
 */
export const TALLY = `
local at, write, tallies, skew = tonumber(ARGV[1]), ARGV[2] == '1', tonumber(ARGV[3]), tonumber(ARGV[4])
local reply, records, changed = {}, {}, {}
for i, key in ipairs(KEYS) do
  local raw = redis.call('GET', key)
  if i <= tallies then records[i] = cjson.decode(raw or '{}') else reply[i] = raw end
end

for a = 5 + tallies, #ARGV, 6 do
  local i, name, cap, entry = tonumber(ARGV[a]), ARGV[a + 1], tonumber(ARGV[a + 4]), ARGV[a + 5]
  local bucket = tonumber(ARGV[a + 3])
  local reach = tonumber(ARGV[a + 2]) + bucket
  local entries = records[i][name] or {}
  if cap > 0 then
    entries[entry] = math.max(at, entries[entry] or at)
  else
    local start = string.format('%d', at - at % bucket)
    entries[start] = (entries[start] or 0) + 1
  end

  local newest, size = at, 0
  for key, value in pairs(entries) do
    newest = math.max(newest, cap > 0 and value or tonumber(key))
  end
  for key, value in pairs(entries) do
    local position = cap > 0 and value or tonumber(key)
    local near = position > at - reach and position <= at + skew
    if key ~= entry and position <= newest - reach and not near then entries[key] = nil else size = size + 1 end
  end
  while cap > 0 and size > cap do
    local oldest
    for key, value in pairs(entries) do
      if key ~= entry and (not oldest or value < entries[oldest] or (value == entries[oldest] and key < oldest)) then
        oldest = key
      end
    end
    entries[oldest] = nil
    size = size - 1
  end
  records[i][name] = entries
  changed[i] = true
end

for i, record in ipairs(records) do
  reply[i] = cjson.encode(record)
  if write and changed[i] then redis.call('SET', KEYS[i], reply[i], 'PX', ARGV[4 + i]) end
end
for i = 1, #KEYS do reply[i] = reply[i] or false end
return reply
`;

/**
 * Writes a value only where the key still holds what the writer read.
 *
 * KEYS: the key. ARGV: the value expected (empty: none), the new value, its time to live in ms.
 * Reply: `1` when written; otherwise `0` and the value found, or nil.
 */
export const REPLACE = `
local found = redis.call('GET', KEYS[1])
if (found or '') ~= ARGV[1] then return { 0, found } end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return { 1 }
`;
