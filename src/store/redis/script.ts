import {
  bucketSeconds,
  CLOCK_SKEW_SECONDS,
  COUNTED,
  COUNTED_EVENTS,
  COUNTERS_OF,
  COUNTERS_TTL_MS,
  type Counted,
  type CountedEvent,
  type SeenValue,
} from '../counters.ts';

/** Numbers of counter owners and events in the script; Lua counts from 1, and 0 means none. */
export function numberOf(of: Counted): number {
  return COUNTED.indexOf(of) + 1;
}
export function eventNumber(event: CountedEvent | null): number {
  return event === null ? 0 : COUNTED_EVENTS.indexOf(event) + 1;
}

/** The values of an attempt that each kind of counters sees, in the order in which the script takes them. */
export const VALUES_SEEN = Object.fromEntries(
  COUNTED.map((of) => [of, COUNTERS_OF[of].flatMap((counter) => ('distinct' in counter ? [counter.distinct] : []))]),
) as unknown as { readonly [of in Counted]: readonly SeenValue[] };

/** The table of counters in Lua. */
const TABLE = COUNTED.map((of) => {
  let seen = 1;
  const counters = COUNTERS_OF[of].map((counter) => {
    const common = `name = '${counter.name}', window = ${counter.windowSeconds}`;
    if ('event' in counter) {
      return `{ ${common}, bucket = ${bucketSeconds(counter)}, event = ${eventNumber(counter.event)} }`;
    }
    seen += 1;
    return `{ ${common}, bucket = 1, cap = ${counter.cap}, seen = ${seen} }`;
  });
  return `{ ttl = ${COUNTERS_TTL_MS[of]}, ${counters.join(', ')} }`;
}).join(',\n  ');

/**
 * Takes one or more steps, each by itself: it counts and reads counters, the same way as `countEvent`, or writes a value where its
 * key still holds what the writer read.
 *
 * KEYS: of each read those of its counters, then those of its values; of each swap its key. The keys of one step share a hash
 * tag.
 * ARGV: the steps as a JSON array. A read is `[second of the attempt, 1 to write or 0, number of the event or 0, number of
 * values, [number of what the counters belong to, each value they see or ""], …]`. A swap is `[n]`: ARGV n to n + 2 are the
 * value expected (empty: none), the new value and its time to live in ms.
 * Reply: for each read a list of the counts of each key, parted by blanks, nil where nothing is stored, and then of the values
 * or nil; for each swap `{"1"}` when it was written, otherwise `{"0", the value found or nil}`; for a step that failed, the error
 * as a text. Of such a step nothing is written but what came before the error.
 *
 * The clock is the caller's: several managed servers refuse TIME in a script that writes. What is written gets its expiry in
 * the same command, so that no key can be left without one.
 */
export const SCRIPT = `
local TABLE = {
  ${TABLE}
}

-- Counts at the second \`at\`; \`entry\` is what an event changes, nil: nothing.
local function count(record, counter, at, entry)
  local cap, reach = counter.cap, counter.window + counter.bucket
  local entries, newest = record[counter.name] or {}, at
  if entry then
    record[counter.name] = entries
    if cap then
      entries[entry] = math.max(at, entries[entry] or at)
    else
      entries[entry] = (entries[entry] or 0) + 1
    end
    for key, value in pairs(entries) do newest = math.max(newest, cap and value or tonumber(key)) end
  end
  local total, size = 0, 0
  for key, value in pairs(entries) do
    local position = cap and value or tonumber(key)
    local near = position > at - reach and position <= at + ${CLOCK_SKEW_SECONDS}
    if near or (cap and key == entry) then total = total + (cap and 1 or value) end
    if entry and key ~= entry and position <= newest - reach and not near then entries[key] = nil else size = size + 1 end
  end
  while entry and cap and size > cap do
    local oldest
    for key, value in pairs(entries) do
      if key ~= entry and (not oldest or value < entries[oldest] or (value == entries[oldest] and key < oldest)) then
        oldest = key
      end
    end
    if entries[oldest] > at - reach and entries[oldest] <= at + ${CLOCK_SKEW_SECONDS} then total = total - 1 end
    entries[oldest] = nil
    size = size - 1
  end
  return total
end

local function entryOf(counter, at, event, seen)
  if counter.event then return counter.event == event and string.format('%d', at - at % counter.bucket) or nil end
  return event == 1 and seen[counter.seen] ~= '' and seen[counter.seen] or nil
end

local function read(first, at, write, event, values, ...)
  local seen, reply, changed = {...}, {}, {}
  for i = 1, #seen do
    local raw = redis.call('GET', KEYS[first + i])
    local counters, record, counts = TABLE[seen[i][1]], cjson.decode(raw or '{}'), {}
    for c, counter in ipairs(counters) do
      local entry = entryOf(counter, at, event, seen[i])
      if entry then changed[i] = record end
      counts[c] = count(record, counter, at, entry)
    end
    reply[i] = (raw or changed[i]) and table.concat(counts, ' ') or false
  end
  for i = #seen + 1, #seen + values do reply[i] = redis.call('GET', KEYS[first + i]) end
  if write == 1 then
    for i, record in pairs(changed) do
      redis.call('SET', KEYS[first + i], cjson.encode(record), 'PX', TABLE[seen[i][1]].ttl)
    end
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
for s, step in ipairs(cjson.decode(ARGV[1])) do
  local keys = #step == 1 and 1 or #step - 4 + step[4]
  local done, reply = pcall(#step == 1 and swap or read, first, unpack(step))
  if not done then
    reply = type(reply) == 'table' and reply.err or tostring(reply)
    -- A replica refuses every write, and the client needs that error to find the master.
    if reply:find('^READONLY') then return redis.error_reply(reply) end
  end
  replies[s] = reply
  first = first + keys
end
return replies
`;
