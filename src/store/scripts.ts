/**
 * Changes and reads the tallies of one or more slots, the same way as `windows.ts`.
 *
 * KEYS: of each slot its tallies, then its keys that are only read. The keys of one slot share a hash tag.
 * ARGV: how far ahead an entry may lie, then the slots as a JSON array of `[second of the attempt, write or only judge,
 * time to live in ms of each tally, number of keys only read, changes]`. A change is `[index of the tally from 1, name,
 * window (s), bucket (s), cap of a set or 0 for a counter, member of the set or ""]`.
 * Reply: for each slot a list of its tallies as JSON and the raw values of its other keys or nil; or, for a slot that
 * could not be read or written, the error as a text. Of such a slot nothing is written but what came before the error.
 *
 * The clock is the caller's: several managed servers refuse TIME in a script that writes. A tally that is written gets
 * its expiry in the same command, so that none can be left without one.
 */
export const TALLY = `
local skew, slots = tonumber(ARGV[1]), cjson.decode(ARGV[2])

local function change(record, at, name, window, bucket, cap, entry)
  local reach = window + bucket
  local entries = record[name] or {}
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
  record[name] = entries
end

local function touch(first, at, write, ttls, values, changes)
  local reply, records, changed = {}, {}, {}
  for i = 1, #ttls + values do
    local raw = redis.call('GET', KEYS[first + i])
    if i <= #ttls then records[i] = cjson.decode(raw or '{}') else reply[i] = raw end
  end
  for _, one in ipairs(changes) do
    change(records[one[1]], at, unpack(one, 2))
    changed[one[1]] = true
  end
  for i, record in ipairs(records) do
    reply[i] = cjson.encode(record)
    if write and changed[i] then redis.call('SET', KEYS[first + i], reply[i], 'PX', ttls[i]) end
  end
  return reply
end

local replies, first = {}, 0
for s, slot in ipairs(slots) do
  local at, write, ttls, values, changes = unpack(slot)
  local done, reply = pcall(touch, first, at, write, ttls, values, changes)
  if not done then
    reply = type(reply) == 'table' and reply.err or tostring(reply)
    -- A replica refuses whatever is written, and the client must hear of it to look for the master.
    if reply:find('^READONLY') then return redis.error_reply(reply) end
  end
  replies[s] = reply
  first = first + #ttls + values
end
return replies
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
