import fc from 'fast-check';
import type { Line } from './origin-sessions.ts';

export const SESSION_COOKIE = 'session';

/** Session tokens that verify, by subject. They have what JWTs have, and little of it, so that the blocks stay short. */
export const TOKENS = { ann: 'eyJhbm4.eyJz.c2ln_A-1', mallory: 'eyJtYWw.eyJz.c2ln_M-1' } as const;

const token = fc.constantFrom(TOKENS.ann, TOKENS.mallory, TOKENS.ann, TOKENS.mallory, 'opaque', 'x.y.z', '');

function encodedAt(text: string, at: number, encode: (char: string) => string): string {
  const i = at % Math.max(1, text.length);
  return `${text.slice(0, i)}${encode(text[i] ?? 'e')}${text.slice(i + 1)}`;
}

const hex = (char: string): string => `%${char.charCodeAt(0).toString(16)}`;
const octal = (char: string): string => `\\${char.charCodeAt(0).toString(8).padStart(3, '0')}`;

/** A token in the spellings that one parser or another undoes. */
const spelt = fc.tuple(token, fc.nat(30), fc.nat(44)).map(([text, at, how]) => {
  switch (how) {
    case 0:
      return `"${text}"`;
    case 1:
      return `"${encodedAt(text, at, octal)}"`;
    case 2:
      return encodedAt(text, at, hex);
    case 3:
      return `"${text}`;
    case 4:
      return `${text}"`;
    case 5:
      return `"\\${text}"`;
    case 6:
      return ` ${text}`;
    case 7:
      return `${text} x`;
    case 8:
      return `=${text}`;
    default:
      return text;
  }
});

const name = fc.oneof(
  { weight: 30, arbitrary: fc.constant(SESSION_COOKIE) },
  {
    weight: 6,
    arbitrary: fc.constantFrom(
      ...['Session', 'SESSION', 'session ', ' session', '\tsession', 'session\t', '\u00a0session', 'session\u00a0'],
      ...['%73ession', 'sessio%6e', 's%65ssion', '%2573ession', '"session"', 'session[]', 'session[0]', 'session.'],
      ...['a', 'theme', '__Host-session', '$session', 'session%00', 'session%20', '%20session', '+session'],
      ...['__proto__', 'sessions', 'my-session', 'session.sig', ''],
    ),
  },
);

const joint = fc.oneof(
  { weight: 40, arbitrary: fc.constant('; ') },
  {
    weight: 6,
    arbitrary: fc.constantFrom(
      ...[';', ',', ', ', ' ', '  ', '\t', '&', ';;', '; ;', '"', '";', '\\;', '%3B', '%3b%20', '\u00a0', '=', '\v'],
      '/',
    ),
  },
);

const pair = fc.oneof(
  {
    weight: 8,
    arbitrary: fc
      .tuple(
        name,
        fc.oneof({ weight: 30, arbitrary: fc.constant('=') }, fc.constantFrom(' = ', '= ', ' =', '==', '')),
        spelt,
      )
      .map((parts) => parts.join('')),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      ...['theme=dark', 'a=b', 'prefs={"a":"b","c":1}', '$Version=1', '$Path="/"', 'Path=/', 'a="', 'b"'],
      ...['consent=a%3Db', 'Expires=Wed, 21 Oct 2015 07:28:00 GMT'],
    ),
  },
);

const cookie = fc
  .tuple(pair, fc.array(fc.tuple(joint, pair), { maxLength: 3 }))
  .map(([first, more]) => first + more.flat().join(''));

const scheme = fc.oneof(
  { weight: 20, arbitrary: fc.constant('Bearer ') },
  {
    weight: 6,
    arbitrary: fc.constantFrom(
      ...['bearer ', 'BEARER ', 'Bearer\t', 'Bearer  ', 'Bearer', 'Basic ', 'DPoP ', 'Token ', '', 'Bearer, '],
    ),
  },
);
const tail = fc.oneof(
  { weight: 20, arbitrary: fc.constant('') },
  { weight: 2, arbitrary: fc.constantFrom(' x', ',', '\tx', ', ', ';', ' ') },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.constantFrom(', Bearer ', ', ', ' ', ','), token).map((parts) => parts.join('')),
  },
);
const authorization = fc.tuple(scheme, spelt, tail).map((parts) => parts.join(''));

const lineOf = (header: string, value: fc.Arbitrary<string>): fc.Arbitrary<Line> =>
  value.map((text): Line => [header, text]);

const few = <T>(one: fc.Arbitrary<T>, maxLength: number): fc.Arbitrary<T[]> => fc.array(one, { maxLength });

/** The credential headers of one request, in all the ways in which they have been and may be confused. */
export const credentialLines: fc.Arbitrary<readonly Line[]> = fc
  .tuple(
    fc.oneof(
      { weight: 6, arbitrary: few(lineOf('Authorization', authorization), 1) },
      few(lineOf('Authorization', authorization), 2),
    ),
    fc.oneof({ weight: 6, arbitrary: few(lineOf('Cookie', cookie), 1) }, few(lineOf('Cookie', cookie), 2)),
  )
  .map((lines) => lines.flat().map(([header, value]): Line => [header, value.replace(/[\r\n\0]/g, ' ')]));

const queryPiece = fc.constantFrom(
  ...[
    'access_token=',
    'ACCESS_TOKEN=',
    'access%5Ftoken=',
    'access_token[]=',
    'access.token=',
    '%61ccess_token=',
    'access+token=',
  ],
  ...[
    'access_token[a]=',
    '+access_token=',
    'access_token%00=',
    'access_token',
    '=',
    'x=',
    '&',
    '&',
    '&',
    ';',
    '?',
    '%26',
    '%3d',
    '%3f',
  ],
  ...['%253f', '%20', '"', ...Object.values(TOKENS), ...Object.values(TOKENS)],
);

/** What may follow the path of a request. */
export const queryOfTokens: fc.Arbitrary<string> = fc
  .tuple(fc.constantFrom('?', '?', '?', '?', '%3f', '%253f'), fc.array(queryPiece, { maxLength: 8 }))
  .map(([mark, pieces]) => mark + pieces.join(''));
