import {
  BASELINE_CAPS,
  type Baseline,
  FINGERPRINT,
  type KnownDevice,
  type KnownPlace,
  type KnownSession,
  type Sighting,
} from '../model/baseline.ts';
import { DEVICE_KEY_KINDS, type DeviceKey, KEY_HASH_LENGTH } from '../model/device-key.ts';
import {
  byLevel,
  dayOf,
  type Familiarity,
  LEVEL_NAMES,
  LEVELS,
  NO_FAMILIARITY,
  type SeenLevel,
  type SeenValue,
} from '../model/familiarity.ts';
import { NO_GENERATIONS } from '../model/generations.ts';
import { StoreError } from '../model/store-error.ts';

/**
 * The stored form of a baseline: a JSON array of a version, numbers and lists. A list is a string: rows separated by
 * `|`, fields by blanks, lists within a field by commas; null is empty. Times are seconds before `lastSeen`; all
 * numbers are in base 36; coordinates are stored to a thousandth of a degree (about 100 m), accuracy to 0.1 km.
 * Networks and component names are in tables and referenced by index. The row of a device may end after any field from its
 * sighting on. What its trust depends on follows its `firstSeen` within the same field, where a process of an earlier version
 * reads over it: the end of renewal; the unstable traits as bits, the fingerprint first and then the table of names; of its
 * token the current generation, how far back the parent is, the time, and bits for seen and reused. So does the familiarity, behind
 * the first name. The last element is `proofsNotBefore`, relative, if it differs from `trustNotBefore`; older texts end before it.
 */
const VERSION = 1;

/** Longest city name that is kept, in UTF-16 units. */
const CITY_LENGTH = 12;

/** How many numbers, then lists, follow the version. */
const NUMBERS = 4;
const LISTS = 6;
const LENGTH = 1 + NUMBERS + LISTS;

/** By hand, and so are the rows: a baseline is read for every check. */
function baselineFrom(stored: unknown): Baseline {
  const isWhole = Array.isArray(stored) && (stored.length === LENGTH || stored.length === LENGTH + 1);
  if (!isWhole || stored[0] !== VERSION) {
    throw new TypeError('no baseline of this version');
  }
  const [firstSeen = 0, lastSeen = 0, learned = 0, trustNotBefore = 0] = stored.slice(1, 1 + NUMBERS).map(integer);
  if (learned < 0) throw new RangeError('a count below zero');
  // Networks without a time are known from sessions only.
  const [places = [], countries = [], networks = [], devices = [], sessions = [], names = []] = stored
    .slice(1 + NUMBERS, LENGTH)
    .map(rowsOf);
  const ids = devices.map((fields) => text(fields, 0));
  return {
    firstSeen,
    lastSeen,
    learned,
    places: places.map((fields) => ({
      ...sightingFrom(fields, 0, lastSeen),
      country: textOrNull(fields, 4),
      city: textOrNull(fields, 6),
      visits: listFrom(fields, 5).map((back) => lastSeen - number(back)),
    })),
    countries: countries.map((fields) => ({ code: text(fields, 0), lastSeen: timeFrom(fields, 1, lastSeen) })),
    networks: networks.flatMap((fields) => {
      const at = timeOrNull(fields, 1, lastSeen);
      if (at === null) return [];
      return [{ key: text(fields, 0), lastSeen: at, ...(fields.length > 2 ? { address: text(fields, 2) } : {}) }];
    }),
    devices: devices.map((fields) => ({
      id: text(fields, 0),
      fingerprint: textOrNull(fields, 1),
      components: componentsFrom(listFrom(fields, 2), names),
      ...firstSeenFrom(listFrom(fields, 3), names, lastSeen),
      lastSeen: timeFrom(fields, 4, lastSeen),
      trustedUntil: timeOrNull(fields, 5, lastSeen),
      revokedAt: timeOrNull(fields, 6, lastSeen),
      client: textOrNull(fields, 7),
      sighting: (fields[8] ?? '') === '' ? null : sightingFrom(fields, 8, lastSeen),
      ...keysFrom(fields[12] ?? '', lastSeen),
    })),
    sessions: sessions.map((fields) => {
      const device = textOrNull(fields, 4);
      const country = textOrNull(fields, 5);
      return {
        key: text(fields, 0),
        startedAt: timeFrom(fields, 1, lastSeen),
        lastSeen: timeFrom(fields, 2, lastSeen),
        networks: listFrom(fields, 3).map((index) => text(networks[number(index)], 0)),
        device: device?.startsWith('#') ? text(ids, number(device.slice(1))) : device,
        country,
      };
    }),
    familiarity: familiarityFrom(names[0]?.slice(1) ?? [], lastSeen),
    trustNotBefore,
    proofsNotBefore: stored.length > LENGTH ? lastSeen - integer(stored[LENGTH]) : trustNotBefore,
  };
}

/** Each key is the first letter of its kind, its hash, and its age. */
function keysFrom(field: string, lastSeen: number): { readonly keys?: readonly DeviceKey[] } {
  if (field === '') return {};
  const keys = field.split(',').map((key): DeviceKey => {
    const kind = DEVICE_KEY_KINDS.find((one) => one[0] === key[0]);
    if (kind === undefined) throw new RangeError('a key of an unknown kind');
    const hash = key.slice(1, 1 + KEY_HASH_LENGTH);
    return { kind, hash, since: lastSeen - number(key.slice(1 + KEY_HASH_LENGTH)) };
  });
  return { keys };
}

function componentsFrom(values: readonly string[], names: readonly string[][]): { readonly [name: string]: string } {
  const components: { [name: string]: string } = {};
  for (const [i, value] of values.entries()) if (value !== '') components[text(names[i], 0)] = unescaped(value);
  return components;
}

/**
 * A field for each level, in their order. It begins with how many days the level has, its last day (before that of `lastSeen`) and
 * its count, or `=` where these are those of the level before. Then rows without separators: a key, a day (before the last
 * day of the level) and a count.
 */
function familiarityFrom(fields: readonly string[], lastSeen: number): Familiarity {
  const today = dayOf(lastSeen);
  let level: SeenLevel = NO_FAMILIARITY.network;
  return byLevel((name) => {
    level = levelFrom(fields[LEVEL_NAMES.indexOf(name)] ?? '', today, LEVELS[name].keyLength, level);
    return level;
  });
}

function levelFrom(field: string, today: number, keyLength: number, before: SeenLevel): SeenLevel {
  if (field === '') return NO_FAMILIARITY.network;
  const parts = field.split(',');
  const rows = parts.at(-1) ?? '';
  const isSame = parts[0] === '=';
  const day = isSame ? before.day : today - number(parts[1] ?? '');
  const values: SeenValue[] = [];
  const width = keyLength + 2 * PACKED;
  for (let at = 0; at < rows.length; at += width) {
    const dayAt = at + keyLength;
    values.push({
      key: rows.slice(at, dayAt),
      day: day - number(rows.slice(dayAt, dayAt + PACKED)),
      count: number(rows.slice(dayAt + PACKED, at + width)) / COUNTED_IN,
    });
  }
  if (isSame) return { ...before, values };
  return { days: number(parts[0] ?? ''), day, count: number(parts[2] ?? '') / COUNTED_IN, values };
}

/** Digits in base 36 of a packed number: up to 1,295 days, after which a count is worth nothing, and up to 185 counts. */
const PACKED = 2;

/** Counts are stored in sevenths: a count that grows every day stays below 174, and one day is a whole number. */
const COUNTED_IN = 7;

function levelFields(known: Familiarity, lastSeen: number): readonly string[] {
  const today = dayOf(lastSeen);
  let before = '';
  return LEVEL_NAMES.map((name) => {
    const level = known[name];
    const head = level.days === 0 ? '' : headOf(level, today);
    const rows = latest(level.values, LEVELS[name].cap, ({ day }) => day)
      .map(({ key, day, count }) => `${key}${packed(level.day - day)}${packed(count * COUNTED_IN)}`)
      .join('');
    const field = head === '' ? '' : `${head === before ? '=' : head},${rows}`;
    before = head;
    return field;
  });
}

function headOf({ days, day, count }: SeenLevel, today: number): string {
  return [days, today - day, count * COUNTED_IN].map(digits).join(',');
}

/** The table of names, and behind the first the familiarity, if any. */
function namesText(names: readonly string[], known: Familiarity, lastSeen: number): string {
  const [first = '', ...others] = names.map(escaped);
  const levels = levelFields(known, lastSeen);
  const row = levels.some((field) => field !== '') ? [first, ...levels].join(' ') : first;
  return [row, ...others].join('|');
}

function packed(value: number): string {
  return digits(Math.min(36 ** PACKED - 1, value)).padStart(PACKED, '0');
}

function firstSeenFrom(
  parts: readonly string[],
  names: readonly string[][],
  lastSeen: number,
): Pick<KnownDevice, 'firstSeen' | 'renewableUntil' | 'unstable' | 'generations' | 'reused'> {
  const firstSeen = timeFrom(parts, 0, lastSeen);
  if (parts.length === 1) {
    return { firstSeen, renewableUntil: null, unstable: [], generations: NO_GENERATIONS, reused: false };
  }
  const current = number(parts[3] ?? '0');
  const marks = number(parts[6] ?? '1');
  const bits = number(parts[2] ?? '0');
  const unstable = bits === 0 ? [] : [FINGERPRINT, ...names.map((name) => text(name, 0))];
  return {
    firstSeen,
    renewableUntil: timeOrNull(parts, 1, lastSeen),
    unstable: unstable.filter((_name, place) => (bits / 2 ** place) % 2 >= 1),
    generations:
      current === 0
        ? NO_GENERATIONS
        : {
            current,
            parent: current - number(parts[4] ?? ''),
            at: timeFrom(parts, 5, lastSeen),
            seen: marks % 2 === 1,
          },
    reused: marks >= 2,
  };
}

function integer(value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw new TypeError('not an integer');
  return value;
}

function rowsOf(list: unknown): string[][] {
  if (typeof list !== 'string') throw new TypeError('not a text');
  return list === '' ? [] : list.split('|').map((row) => row.split(' '));
}

/** Writes a baseline in its stored form, cut to {@link BASELINE_CAPS}: what was seen last stays. */
export function encodeBaseline(baseline: Baseline): string {
  const { lastSeen } = baseline;
  const places = latest(baseline.places, BASELINE_CAPS.places, ({ at }) => at);
  const countries = latest(baseline.countries, BASELINE_CAPS.countries, (country) => country.lastSeen);
  const known = latest(baseline.networks, BASELINE_CAPS.networks, (network) => network.lastSeen);
  const devices = latest(baseline.devices, BASELINE_CAPS.devices, (device) => device.lastSeen);
  const sessions = latest(baseline.sessions, BASELINE_CAPS.sessions, (session) => session.lastSeen).map((session) => ({
    ...session,
    networks: session.networks.slice(-BASELINE_CAPS.sessionNetworks),
  }));
  const names = [
    ...new Set(devices.flatMap(({ components }) => Object.keys(components).slice(0, BASELINE_CAPS.components))),
  ];
  const networks = [...new Set([...known.map(({ key }) => key), ...sessions.flatMap((session) => session.networks)])];

  const back = (at: number | null | undefined): string =>
    at === null || at === undefined ? '' : digits(lastSeen - at);
  const sightingFields = ({ at, lat, lon, accuracyKm }: Sighting): string[] => [
    back(at),
    digits(lat * 1000),
    digits(lon * 1000),
    digits(accuracyKm * 10),
  ];
  const placeRow = (place: KnownPlace): string =>
    [
      ...sightingFields(place),
      escaped(place.country),
      place.visits.slice(-BASELINE_CAPS.visits).map(back).join(','),
      escaped(place.city?.slice(0, CITY_LENGTH)),
    ].join(' ');
  const firstSeenField = ({ firstSeen, renewableUntil, unstable, generations, reused }: KnownDevice): string => {
    const bits = [FINGERPRINT, ...names].reduce(
      (sum, name, place) => sum + (unstable.includes(name) ? 2 ** place : 0),
      0,
    );
    const { current, parent, at, seen } = generations;
    const isPlain = renewableUntil === null && bits === 0 && current === 0 && !reused;
    if (isPlain) return back(firstSeen);
    const marks = Number(seen) + 2 * Number(reused);
    const token = current === 0 && !reused ? [] : [digits(current), digits(current - parent), back(at), digits(marks)];
    return [back(firstSeen), back(renewableUntil), digits(bits), ...token].join(',');
  };
  const deviceRow = (device: KnownDevice): string =>
    [
      escaped(device.id),
      escaped(device.fingerprint),
      names.map((name) => escaped(device.components[name])).join(','),
      firstSeenField(device),
      back(device.lastSeen),
      back(device.trustedUntil),
      back(device.revokedAt),
      escaped(device.client),
      ...withoutTrailing([
        ...(device.sighting === null ? ['', '', '', ''] : sightingFields(device.sighting)),
        (device.keys ?? []).map(({ kind, hash, since }) => `${kind[0]}${hash}${back(since)}`).join(','),
      ]),
    ].join(' ');
  const networkRow = (key: string): string => {
    const network = known.find((one) => one.key === key);
    const row = [escaped(key), back(network?.lastSeen)];
    return [...row, ...(network?.address === undefined ? [] : [escaped(network.address)])].join(' ');
  };
  const sessionRow = (session: KnownSession): string => {
    const device = devices.findIndex(({ id }) => id === session.device);
    return [
      escaped(session.key),
      back(session.startedAt),
      back(session.lastSeen),
      session.networks.map((network) => digits(networks.indexOf(network))).join(','),
      device === -1 ? escaped(session.device) : `#${digits(device)}`,
      escaped(session.country),
    ].join(' ');
  };

  return JSON.stringify([
    VERSION,
    baseline.firstSeen,
    lastSeen,
    baseline.learned,
    baseline.trustNotBefore,
    places.map(placeRow).join('|'),
    countries.map(({ code, lastSeen: at }) => `${escaped(code)} ${back(at)}`).join('|'),
    networks.map(networkRow).join('|'),
    devices.map(deviceRow).join('|'),
    sessions.map(sessionRow).join('|'),
    namesText(names, baseline.familiarity, lastSeen),
    ...(baseline.proofsNotBefore === baseline.trustNotBefore ? [] : [lastSeen - baseline.proofsNotBefore]),
  ]);
}

/**
 * Reads what {@link encodeBaseline} wrote.
 * @throws StoreError `rejected` for anything else: an unreadable record is a failure, not an unknown subject.
 */
export function decodeBaseline(raw: string): Baseline {
  try {
    return baselineFrom(JSON.parse(raw));
  } catch {
    // The parser's message quotes the record.
    throw new StoreError('rejected', 'a stored baseline cannot be read: it was not written by this version');
  }
}

/** Fields without the empty ones at the end. */
function withoutTrailing(fields: readonly string[]): readonly string[] {
  return fields.slice(0, fields.findLastIndex((field) => field !== '') + 1);
}

/** The `cap` entries seen last, in their order. */
function latest<T>(entries: readonly T[], cap: number, seenAt: (entry: T) => number): readonly T[] {
  if (entries.length <= cap) return entries;
  const kept = new Set([...entries].sort((a, b) => seenAt(b) - seenAt(a)).slice(0, cap));
  return entries.filter((entry) => kept.has(entry));
}

function digits(value: number): string {
  return Math.round(value).toString(36);
}

function number(base36: string): number {
  const value = Number.parseInt(base36, 36);
  if (Number.isNaN(value)) throw new RangeError('not a number in base 36');
  return value;
}

function escaped(value: string | null | undefined): string {
  return (value ?? '').replace(/[ %,|#]/g, (sign) => `%${sign.charCodeAt(0).toString(16)}`);
}

function unescaped(value: string): string {
  if (!value.includes('%')) return value;
  return value.replace(/%([0-9a-f]{2})/g, (_escape, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
}

function text(fields: readonly string[] | undefined, index: number): string {
  const field = fields?.[index];
  if (field === undefined) throw new RangeError('a field is missing');
  return unescaped(field);
}

function textOrNull(fields: readonly string[], index: number): string | null {
  const field = text(fields, index);
  return field === '' ? null : field;
}

function listFrom(fields: readonly string[], index: number): string[] {
  const field = fields[index];
  if (field === undefined) throw new RangeError('a field is missing');
  return field === '' ? [] : field.split(',');
}

function timeFrom(fields: readonly string[], index: number, lastSeen: number): number {
  return lastSeen - number(fields[index] ?? '');
}

function timeOrNull(fields: readonly string[], index: number, lastSeen: number): number | null {
  return fields[index] === '' ? null : timeFrom(fields, index, lastSeen);
}

function sightingFrom(fields: readonly string[], from: number, lastSeen: number): Sighting {
  return {
    at: timeFrom(fields, from, lastSeen),
    lat: number(fields[from + 1] ?? '') / 1000,
    lon: number(fields[from + 2] ?? '') / 1000,
    accuracyKm: number(fields[from + 3] ?? '') / 10,
  };
}
