/**
 * Takes one or more steps, each by itself: it changes and reads the tallies of a slot, the same way as `windows.ts`, or writes
 * a value where its key still holds what the writer read.
 *
 * KEYS: of each slot its tallies, then its keys that are only read; of each value its key. The keys of one step share a hash
 * tag.
 * ARGV: how far ahead an entry may lie, then the steps as a JSON array. A slot is `[second of the attempt, write or only judge,
 * time to live in ms of each tally, number of keys only read, changes]`, a change `[index of the tally from 1, name, window
 * (s), bucket (s), cap of a set or 0 for a counter, member of the set or ""]`. A value is `[n]`: ARGV n to n + 2 are the value
 * expected (empty: none), the new value and its time to live in ms.
 * Reply: for each slot a list of its tallies as JSON and the raw values of its other keys or nil; for each value `{"1"}` when
 * it was written, otherwise `{"0", the value found or nil}`; for a step that failed, the error as a text. Of such a step
 * nothing is written but what came before the error.
 *
 * The clock is the caller's: several managed servers refuse TIME in a script that writes. A tally that is written gets
 * its expiry in the same command, so that none can be left without one.
 */
export const STEPS = `
local skew, steps = tonumber(ARGV[1]), cjson.decode(ARGV[2])

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

local function swap(first, n)
  local found = redis.call('GET', KEYS[first + 1])
  if (found or '') ~= ARGV[n] then return { '0', found } end
  redis.call('SET', KEYS[first + 1], ARGV[n + 1], 'PX', ARGV[n + 2])
  return { '1' }
end

local replies, first = {}, 0
for s, step in ipairs(steps) do
  local keys = #step == 1 and 1 or #step[3] + step[4]
  local done, reply = pcall(#step == 1 and swap or touch, first, unpack(step))
  if not done then
    reply = type(reply) == 'table' and reply.err or tostring(reply)
    -- A replica refuses whatever is written, and the client must hear of it to look for the master.
    if reply:find('^READONLY') then return redis.error_reply(reply) end
  end
  replies[s] = reply
  first = first + keys
end
return replies
`;
