import { csvFields } from '../../data/csv.ts';
import { CliError } from '../fault.ts';

/** One log-in of the RBA data set. What the set spells `-` or leaves empty is null. */
export interface RbaRow {
  /** Epoch milliseconds. */
  readonly atMs: number;
  readonly user: string;
  readonly ip: string;
  readonly country: string | null;
  readonly region: string | null;
  readonly city: string | null;
  readonly asn: number | null;
  readonly userAgent: string | null;
  readonly browser: string | null;
  readonly os: string | null;
  readonly deviceType: string | null;
  /** The password was right. */
  readonly successful: boolean;
  /** The address was on a list of attackers. */
  readonly attackIp: boolean;
  /** The log-in was found to be a thief's. */
  readonly takeover: boolean;
}

/**
 * Columns that are read, by their names in the file. `index` and `Round-Trip Time [ms]` are left unread, since no signal measures
 * them.
 *
 * @see https://github.com/das-group/rba-dataset
 */
const COLUMNS = {
  at: 'Login Timestamp',
  user: 'User ID',
  ip: 'IP Address',
  country: 'Country',
  region: 'Region',
  city: 'City',
  asn: 'ASN',
  userAgent: 'User Agent String',
  browser: 'Browser Name and Version',
  os: 'OS Name and Version',
  deviceType: 'Device Type',
  successful: 'Login Successful',
  attackIp: 'Is Attack IP',
  takeover: 'Is Account Takeover',
} as const;
type Column = keyof typeof COLUMNS;

/**
 * Reads the rows one by one, so that a file of any length takes no more memory than its longest line.
 *
 * @throws {CliError} with the number of the line that cannot be read, what it has and what it should have
 */
export async function* rbaRows(lines: AsyncIterable<string>): AsyncGenerator<RbaRow> {
  let header: Header | null = null;
  let number = 0;
  for await (const line of lines) {
    number++;
    if (header === null) header = headerOf(line);
    else if (line.trim() !== '') yield rowOf(line, number, header);
  }
  if (header === null) throw new CliError('line 1: the file is empty; expected the header of the RBA data set');
}

interface Header {
  readonly width: number;
  readonly places: { readonly [column in Column]: number };
}

function headerOf(line: string): Header {
  const names = csvFields(line.replace(/^\ufeff/, ''));
  const missing = Object.values(COLUMNS).filter((name) => !names.includes(name));
  if (missing.length > 0) {
    throw new CliError(
      `line 1: no column ${missing.map((name) => `"${name}"`).join(', ')}; it reads "${cut(line)}". Expected the header of rba-dataset.csv.`,
    );
  }
  const places = Object.fromEntries(Object.entries(COLUMNS).map(([column, name]) => [column, names.indexOf(name)]));
  return { width: names.length, places: places as Header['places'] };
}

function rowOf(line: string, number: number, { width, places }: Header): RbaRow {
  const fields = csvFields(line);
  if (fields.length !== width) {
    throw new CliError(`line ${number}: ${fields.length} fields, expected ${width}; it reads "${cut(line)}"`);
  }
  const field = (column: Column): string => fields[places[column]] ?? '';
  const text = (column: Column): string | null => (isNothing(field(column)) ? null : field(column));
  const wrong = (column: Column, expected: string): CliError =>
    new CliError(`line ${number}: ${COLUMNS[column]} is "${cut(field(column))}", expected ${expected}`);
  const truth = (column: Column): boolean => {
    const word = field(column).toLowerCase();
    if (word !== 'true' && word !== 'false') throw wrong(column, 'True or False');
    return word === 'true';
  };
  const user = text('user');
  if (user === null) throw wrong('user', 'the number of a user');
  const ip = text('ip');
  if (ip === null) throw wrong('ip', 'an address');
  const atMs = momentOf(field('at'));
  if (atMs === null) throw wrong('at', 'a moment such as 2020-02-03 12:43:30.772');
  const asn = text('asn');
  if (asn !== null && !/^\d{1,10}(\.0)?$/.test(asn)) throw wrong('asn', 'a number');
  return {
    atMs,
    user,
    ip,
    country: text('country'),
    region: text('region'),
    city: text('city'),
    asn: asn === null ? null : Number(asn),
    userAgent: text('userAgent'),
    browser: text('browser'),
    os: text('os'),
    deviceType: text('deviceType'),
    successful: truth('successful'),
    attackIp: truth('attackIp'),
    takeover: truth('takeover'),
  };
}

function isNothing(field: string): boolean {
  return field === '' || field === '-' || field.toLowerCase() === 'nan';
}

/** The set has no time zone: its moments are read as UTC, and only the time between them counts. */
function momentOf(field: string): number | null {
  if (/^\d{13}$/.test(field)) return Number(field);
  const [, date, time, part = ''] = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(\.\d{1,6})?$/.exec(field) ?? [];
  if (date === undefined || time === undefined) return null;
  const atMs = Date.parse(`${date}T${time}${part.slice(0, 4)}Z`);
  return Number.isNaN(atMs) ? null : atMs;
}

function cut(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
