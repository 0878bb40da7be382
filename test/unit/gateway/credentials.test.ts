import { describe, expect, test } from 'vitest';
import { cookieSegments } from '../../../src/contract/cookies.ts';
import { readCredentials } from '../../../src/gateway/credentials.ts';

const ANN = 'eyJhbm4.eyJz.c2ln';
const MAL = 'eyJtYWw.eyJz.c2ln';

function read(
  authorization: string | null,
  cookie: string | null,
  name: string | null = 'session',
  cookieLines = 1,
  target = '/',
  dpop: string | null = null,
) {
  const sent = readCredentials({ authorization, cookies: cookieSegments(cookie), cookieLines, dpop, target }, name);
  return sent.state === 'read' ? sent.tokens : `${sent.state} ${sent.code}`;
}

/** @see https://www.rfc-editor.org/rfc/rfc6750#section-2.3 */
test.each([
  ['/api/pay', [MAL]],
  [`/api/pay?access_token=${ANN}`, [MAL, ANN]],
  [`/api/pay?a=b&access_token=${ANN}&c=d`, [MAL, ANN]],
  [`/api/pay?a;Access_Token=${ANN}`, [MAL, ANN]],
  [`/api/pay?access%5Ftoken=${ANN}`, [MAL, ANN]],
  [`/api/pay?access_token[]=${ANN}`, [MAL, ANN]],
  [`/api/pay%3faccess_token=${ANN}`, [MAL, ANN]],
  [`/api/pay%3fa=b%26access_token=${ANN}?c=d`, [MAL, ANN]],
  [`/api/pay?next=/x%3faccess_token%3d${ANN}%26access_token%3d${ANN}`, [MAL]],
  [`/api/pay?access_token=%65${ANN.slice(1)}`, [MAL, ANN]],
  [`/api/pay?bearer_token=${ANN}`, [MAL, ANN]],
  [`/api/pay?access_token=${ANN}&access_token=x`, [MAL, ANN, 'x']],
  [`/api/pay?access_token=${ANN}%20`, 'unread query_unreadable'],
  [`/api/pay?access_token="${ANN}"`, 'unread query_unreadable'],
  ['/api/pay?access_token=', [MAL]],
  [`/api/pay?token=${ANN}`, [MAL]],
])('A token in the query counts beside others: %s', (target, expected) => {
  expect(read(null, `session=${MAL}`, 'session', 1, target)).toEqual(expected);
});

describe('the Authorization header', () => {
  test.each([
    [`Bearer ${ANN}`, [ANN]],
    [`bearer ${ANN}`, [ANN]],
    ['Bearer 2YotnFZFEjr1zCsicMWpAA==', ['2YotnFZFEjr1zCsicMWpAA==']],
    [null, []],
    [`Bearer ${ANN}, Bearer ${ANN}`, 'unread authorization_unreadable'],
    [`Bearer ${ANN},`, 'unread authorization_unreadable'],
    [`Bearer ${ANN} x`, 'unread authorization_unreadable'],
    [`Bearer\t${ANN}`, 'unread authorization_unreadable'],
    [`Bearer  ${ANN}`, 'unread authorization_unreadable'],
    [`Bearer ${ANN}\tx`, 'unread authorization_unreadable'],
    [`Bearer "${ANN}"`, 'unread authorization_unreadable'],
    [`Bearer=${ANN}`, 'unread authorization_unreadable'],
    ['Bearer', 'unread authorization_unreadable'],
    [`Bearer\u00a0${ANN}`, 'unread authorization_unreadable'],
    [`Basic eDp5, Bearer ${ANN}`, 'unread authorization_unreadable'],
    [ANN, 'unread authorization_scheme'],
    ['Basic eDp5', 'unread authorization_scheme'],
    [`DPoP ${ANN}`, 'refused dpop_missing'],
    [`DPoP ${ANN} x`, 'unread authorization_unreadable'],
    [`DPoP ${ANN}, DPoP ${ANN}`, 'unread authorization_unreadable'],
  ])('%j comes to %j', (authorization, expected) => {
    expect(read(authorization, null)).toEqual(expected);
  });

  test.each(['Basic eDp5', `DPoP ${ANN}`, 'Negotiate YII', `Token ${ANN}`])(
    'The Authorization header of another scheme (%s) beside a session cookie leaves open which of the two an application goes by',
    (authorization) => {
      expect(read(authorization, `session=${MAL}`)).toBe('unread authorization_beside_cookie');
    },
  );

  test('And a session cookie are both looked at, and one token in both is one', () => {
    expect(read(`Bearer ${ANN}`, `session=${MAL}`)).toEqual([ANN, MAL]);
    expect(read(`Bearer ${ANN}`, `session=${ANN}`)).toEqual([ANN]);
    expect(read(`Bearer ${ANN}`, `session="${MAL}"`)).toBe('unread cookie_unreadable');
  });
});

describe('a proof of possession in the header DPoP', () => {
  const withProof = (authorization: string | null, cookie: string | null, dpop: string) =>
    read(authorization, cookie, 'session', 1, '/', dpop);

  test('It goes with one token under its scheme', () => {
    expect(withProof(`DPoP ${ANN}`, null, 'a.b.c')).toEqual([ANN]);
    expect(withProof(`dpop ${ANN}`, 'theme=dark', 'a.b.c')).toEqual([ANN]);
  });

  test.each(['a.b.c, a.b.c', 'a.b.c,a.b.c', 'a.b', 'a.b.c x', '"a.b.c"'])('%j is not one proof', (dpop) => {
    expect(withProof(`DPoP ${ANN}`, null, dpop)).toBe('unread dpop_unreadable');
  });

  test('Beside a bearer token or a session cookie it leaves open what an application goes by, and without a session it is nothing', () => {
    expect(withProof(`Bearer ${ANN}`, null, 'a.b.c')).toBe('unread dpop_beside_other');
    expect(withProof(null, `session=${ANN}`, 'a.b.c')).toBe('unread dpop_beside_other');
    expect(withProof(`DPoP ${ANN}`, `session=${ANN}`, 'a.b.c')).toBe('unread authorization_beside_cookie');
    expect(withProof(null, null, 'a.b.c')).toEqual([]);
  });
});

describe('the session cookie', () => {
  test.each([
    `session=${ANN}`,
    `theme=dark; session=${ANN}; a=b`,
    `theme=dark;session=${ANN}`,
    `session=${ANN}; session=${ANN}`,
    `prefs={"a":"b","c":[1,2]}; session=${ANN}`,
    `session.sig=x; session_id=1; my-session=2; sessions=3; __Host-session=4; session=${ANN}`,
    `return_to=%2Fx%3Fsession%3D1; tab=session; session=${ANN}`,
    `quoted="x y"; session=${ANN}`,
    `; ;session=${ANN};`,
  ])('The session cookie is read from %j', (cookie) => {
    expect(read(null, cookie)).toEqual([ANN]);
  });

  test.each([null, 'theme=dark', 'sessions=1; a="session"', 'tab=session', '__proto__=1', ''])(
    'The session cookie is not in %j',
    (cookie) => {
      expect(read(null, cookie)).toEqual([]);
    },
  );

  test('The session cookie is not looked for where none is set', () => {
    expect(read(null, `session="${ANN}"`, null)).toEqual([]);
  });

  /** @see https://docs.python.org/3/library/http.cookies.html */
  test.each([
    `session="${ANN}"`,
    `session="\\145yJ"`,
    `session="${ANN}x; a=b`,
    `a=b session=${ANN}`,
    `a=b\tsession=${ANN}`,
    `a=b,session=${ANN}`,
    `a=b&session=${ANN}`,
    `a="b"session=${ANN}`,
    `a=b; session =${ANN}`,
    `a=b; session= ${ANN}`,
    `a=b;\tsession=${ANN}`,
    `a=b;\u00a0session=${ANN}`,
    `\u00ef\u00bb\u00bfsession=${ANN}`,
    `Session=${ANN}`,
    `%73ession=${ANN}`,
    `%2573ession=${ANN}`,
    `session%20=${ANN}`,
    `+session=${ANN}`,
    `session%00x=${ANN}`,
    `session[]=${ANN}`,
    `session[0][a]=${ANN}`,
    `"session"=${ANN}`,
    `session==${ANN}`,
    `a=session=${ANN}`,
    `session=${ANN} `,
    `session=${ANN} x`,
    `session=${ANN}, a=b`,
    `session=%65yJ`,
    `session=a+b`,
    'session=',
    'session',
    `a=b%3B session%3D${ANN}`,
    `a=b${'\t'.repeat(500)}session${' '.repeat(500)}=${ANN}`,
  ])('The session cookie is unread in %j, which parsers read in more than one way', (cookie) => {
    expect(read(null, cookie)).toBe('unread cookie_unreadable');
    expect(read(null, `session=${MAL}; ${cookie}`)).toBe('unread cookie_unreadable');
    expect(read(`Bearer ${MAL}`, `${cookie}; theme=dark`)).toBe('unread cookie_unreadable');
  });

  /** @see https://github.com/nextauthjs/next-auth/issues/2003 */
  test.each([
    ['session.0'],
    ['session.1'],
    ['session__0'],
    ['session_0'],
    ['session-1'],
    ['session2'],
    ['sessionC1'],
    ['Session.0'],
    ['session%2E0'],
    ['session_chunks'],
  ])('The session cookie is unread in a piece of it (%s), also beside a whole one', (piece) => {
    expect(read(null, `${piece}=${ANN}`)).toBe('unread cookie_chunked');
    expect(read(null, `session=${MAL}; ${piece}=${ANN}`)).toBe('unread cookie_chunked');
    expect(read(`Bearer ${MAL}`, `theme=dark; ${piece}=${ANN}`)).toBe('unread cookie_chunked');
    expect(read(`Bearer ${MAL}`, `a=b,${piece}=${ANN}`)).toBe('unread cookie_unreadable');
    expect(read(null, `x${piece}=${ANN}; ${piece}x=${ANN}`)).toEqual([]);
  });

  test('The session cookie with two values is unread, since parsers take the first or the last', () => {
    expect(read(null, `session=${ANN}; session=${MAL}`)).toBe('unread cookie_repeated');
  });

  test('The session cookie in one of several Cookie lines is unread, since servers take the first, the last or all', () => {
    expect(read(null, `session=${ANN}; a=b`, 'session', 2)).toBe('unread cookie_lines');
    expect(read(null, 'a=b; c=d', 'session', 2)).toEqual([]);
  });

  test('The session cookie by a name that PHP rewrites is found in what PHP takes for it', () => {
    for (const cookie of ['my.session=1', 'my session=1', 'my[session=1', '.my_session=1']) {
      expect(read(null, cookie, cookie.startsWith('.') ? '_my_session' : 'my_session')).toBe(
        'unread cookie_unreadable',
      );
    }
    expect(read(null, 'my.session=1', 'my.session')).toEqual(['1']);
  });

  test('The session cookie takes no longer to look for however the header is drawn out', () => {
    // Each of these took a pattern with a second look the square of its length: minutes, not the second that is left here.
    for (const piece of [' ', '\t', '[', '=', '%', '%25', '"', '\\', ';', 'session[', 'session ']) {
      expect(read(null, `${piece.repeat(60_000 / piece.length)}x`)).toBeDefined();
    }
  }, 20_000);
});
