import { execFileSync, spawnSync } from 'node:child_process';
import { parse as parseQuery } from 'node:querystring';
import * as oldest from 'cookie-0.4';
import * as old from 'cookie-0.7';
import { parse as parse1 } from 'cookie-1';
import { parseCookie as parse2 } from 'cookie-2';
import Cookies from 'cookies';
import { parse as honoParse } from 'hono/utils/cookie';

/** One header line as it was sent. */
export type Line = readonly [name: string, value: string];

/** What a parser of cookies finds under a name, in a header that it got as one text. */
export type CookieParser = (header: string, name: string) => readonly unknown[];

/** The parsers that are run as they are. */
export const PUBLISHED: { readonly [name: string]: CookieParser } = {
  'cookie 0.4 (Express 4)': (header, name) => [oldest.parse(header)[name]],
  'cookie 0.4 without decoding': (header, name) => [oldest.parse(header, { decode: (text: string) => text })[name]],
  'cookie 0.7 (Express 5)': (header, name) => [old.parse(header)[name]],
  'cookie 1': (header, name) => [parse1(header)[name]],
  'cookie 2': (header, name) => [parse2(header)[name]],
  'cookies (Koa)': (header, name) => [new Cookies({ headers: { cookie: header }, socket: {} }, {}).get(name)],
  hono: (header, name) => [honoParse(header)[name], honoParse(header, name)[name]],
};

/** The others, by what their source does. All values count that such a parser may hand out, whether it takes the first or the last. */
export const REBUILT: { readonly [name: string]: CookieParser } = {
  /** net/http, readCookies: blanks trimmed, quotes round a value taken away, other names and values skipped. */
  go: (header, name) =>
    pairs(header, ';').flatMap(([key, value = '']) =>
      key.trim() === name && /^[\x20-\x21\x23-\x3a\x3c-\x5b\x5d-\x7e]*$/.test(unquoted(value.trim()))
        ? [unquoted(value.trim())]
        : [],
    ),
  /** php_default_treat_data since 7.2.34: values decoded, blanks before a name skipped, some characters made an underscore. */
  php: (header, name) =>
    pairs(header, ';').flatMap(([key, value = '']) => (phpName(key) === name ? [percentDecoded(value)] : [])),
  /** Before 7.2.34 the name was decoded too, and plus signs were blanks. */
  'php of old': (header, name) =>
    pairs(header, ';').flatMap(([key, value = '']) =>
      phpName(percentDecoded(key.replaceAll('+', ' '))) === name ? [percentDecoded(value.replaceAll('+', ' '))] : [],
    ),
  /** Rack::Utils.parse_cookies_header of Rack 3. */
  rack: (header, name) =>
    header.split(/; */).flatMap((pair) => {
      const [key = '', value = ''] = cut(pair);
      return key === name ? [percentDecoded(value.replaceAll('+', ' '))] : [];
    }),
  /** Rack 1: also commas separate, and names are decoded. */
  'rack 1': (header, name) =>
    header.split(/[;,] */).flatMap((pair) => {
      const [key = '', value = ''] = cut(pair);
      return percentDecoded(key.replaceAll('+', ' ')) === name ? [percentDecoded(value.replaceAll('+', ' '))] : [];
    }),
  /** ASP.NET Core compares names without regard to case, and commas separate too. */
  'asp.net': (header, name) =>
    pairs(header, /[;,]/).flatMap(([key, value = '']) =>
      percentDecoded(key.trim()).toLowerCase() === name.toLowerCase() ? [percentDecoded(unquoted(value.trim()))] : [],
    ),
  /** RFC 2109 readers: a quoted value may hold anything, a backslash escapes. */
  'quoted strings': (header, name) =>
    [...header.matchAll(/([^\s=;,"]+)\s*=\s*("(?:[^"\\]|\\.)*"?|[^;,\s]*)/g)].flatMap(([, key, value = '']) =>
      key === name ? [value.replace(/^"|"$/g, '').replace(/\\(.)/g, '$1')] : [],
    ),
  /** Much copied: decode all, then split. */
  'decoded as a whole': (header, name) =>
    pairs(percentDecoded(header), ';').flatMap(([key, value = '']) => (key.trim() === name ? [value.trim()] : [])),
};

function cut(pair: string): readonly [string, string | undefined] {
  const equals = pair.indexOf('=');
  return equals === -1 ? [pair, undefined] : [pair.slice(0, equals), pair.slice(equals + 1)];
}

function pairs(header: string, separator: string | RegExp): (readonly [string, string | undefined])[] {
  return header.split(separator).map(cut);
}

function unquoted(value: string): string {
  return value.length > 1 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value;
}

function percentDecoded(text: string): string {
  return text.replace(/%([0-9A-Fa-f]{2})/g, (_all, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

function phpName(key: string): string {
  const [text = ''] = key.replace(/^[\s\v]+/, '').split('\0');
  return text
    .replace(/^[^[]+\[.*$/, (all) => (all.includes(']') ? all.slice(0, all.indexOf('[')) : all))
    .replace(/[ .[]/g, '_');
}

/** Where lines of one name come as several, servers hand the application the first, the last or all together. */
function texts(lines: readonly string[], joints: readonly string[]): readonly string[] {
  const [first] = lines;
  if (first === undefined) return [];
  return [...new Set([first, lines.at(-1) ?? first, ...joints.map((joint) => lines.join(joint))])];
}

function valuesOf(lines: readonly Line[], wanted: string): readonly string[] {
  return lines.filter(([name]) => name.toLowerCase() === wanted).map(([, value]) => value.trim());
}

/** The `Cookie` headers that an application may see. */
export function cookieHeaders(lines: readonly Line[]): readonly string[] {
  return texts(valuesOf(lines, 'cookie'), ['; ', ';', ', ', ',']);
}

/** Every text that some origin may take for the bearer token. */
export function bearerTokens(lines: readonly Line[]): readonly string[] {
  return texts(valuesOf(lines, 'authorization'), [', ', ',']).flatMap((text) => [
    text.split(' ')[1] ?? '',
    text.split(/\s+/)[1] ?? '',
    text.split(/\s+/).at(-1) ?? '',
    text.replace(/^bearer\s*/i, ''),
    text.slice(7).trim(),
    /bearer\s+([^\s,]+)/i.exec(text)?.[1] ?? '',
    text.split(',')[0]?.split(/\s+/)[1] ?? '',
    text.split(',').at(-1)?.trim().split(/\s+/)[1] ?? '',
    text,
  ]);
}

/** Every text that some origin may take for the session cookie; Python's parser is asked apart. */
export function cookieTokens(lines: readonly Line[], name: string): readonly string[] {
  const parsers = [...Object.values(PUBLISHED), ...Object.values(REBUILT)];
  return cookieHeaders(lines).flatMap((header) =>
    parsers.flatMap((parse) =>
      parse(header, name).flatMap((value) => (typeof value === 'string' ? [value.trim()] : [])),
    ),
  );
}

/** Every text that some origin may take for a bearer token in the query of a target (RFC 6750, section 2.3). */
export function queryTokens(target: string): readonly string[] {
  // An origin that decodes first finds the query behind an encoded question mark.
  const targets = [target, percentDecoded(target), percentDecoded(percentDecoded(target))].filter(
    (each, i) => i === 0 || (!target.includes('?') && each.includes('?')),
  );
  return targets.flatMap((each) => {
    const query = each.slice(each.indexOf('?') + 1);
    if (!each.includes('?')) return [];
    const whatwg = [...new URLSearchParams(query)];
    const semicolons = [...new URLSearchParams(query.replaceAll(';', '&'))];
    const own = [parseQuery(query).access_token].flat().flatMap((value) => value ?? []);
    const named = [...whatwg, ...semicolons].flatMap(([name, value]) =>
      [name, phpName(name), name.toLowerCase().trim()].includes('access_token') ? [value] : [],
    );
    return [...own, ...named];
  });
}

const PYTHON = `
import sys, json
from http.cookies import SimpleCookie, CookieError
name = json.loads(sys.stdin.readline())
for line in sys.stdin:
    found = []
    for make in (lambda text: text, lambda text: text.encode("latin-1").decode("utf-8", "replace")):
        jar = SimpleCookie()
        try:
            jar.load(make(json.loads(line)))
        except CookieError:
            pass
        if name in jar:
            found.append(jar[name].value)
    print(json.dumps(found))
`;

export const hasPython = spawnSync('python3', ['--version']).status === 0;

/** What `http.cookies` makes of each header, as text and as the bytes of UTF-8. */
export function pythonCookies(headers: readonly string[], name: string): readonly (readonly string[])[] {
  const input = [name, ...headers].map((text) => JSON.stringify(text)).join('\n');
  const output = execFileSync('python3', ['-c', PYTHON], { input, encoding: 'utf8', maxBuffer: 2 ** 28 });
  return output
    .trim()
    .split('\n')
    .map((line): readonly string[] => JSON.parse(line));
}
