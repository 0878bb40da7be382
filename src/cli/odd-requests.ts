import type { RawRequest } from './raw-http.ts';

/** A route that the gateway guards, as its owner names it. */
export interface GuardedRoute {
  readonly method: string;
  readonly path: string;
}

/** What the odd requests are made with. */
export interface ProbeMeans {
  readonly cookieName: string;
  /**
   * Session token of an account without a step-up; any text works, but only a real one shows whom the application
   * serves.
   */
  readonly session: string;
  /** Session token of another account, which has stepped up. */
  readonly steppedUp: string;
  /** A path that nothing answers. */
  readonly nowhere: string;
}

/** A request that an application may take for one of a guarded route. */
export interface OddRequest {
  /** What is odd, as it is printed. */
  readonly name: string;
  readonly request: RawRequest;
  /**
   * The request without the oddity, if that is not guarded: an application that answers it differently has seen the
   * difference.
   */
  readonly beside: RawRequest | null;
}

type Headers = RawRequest['headers'];

/** The route's own request, without any credential: what the gateway refuses if it guards the route at all. */
export function plainRequest({ method, path }: GuardedRoute): RawRequest {
  return { method, target: path, headers: [], body: '' };
}

/** All odd requests for one route; at most {@link MAX_ODD_REQUESTS}. */
export function oddRequests(route: GuardedRoute, means: ProbeMeans): readonly OddRequest[] {
  return [
    ...oddPaths(route),
    ...oddMethods(route),
    ...oddTargets(route, means),
    ...oddNames(route),
    ...oddCredentials(route, means),
  ];
}

export const MAX_ODD_REQUESTS = 64;

function oddPaths({ method, path }: GuardedRoute): OddRequest[] {
  const [, first = ''] = path.split('/');
  const letter = /[A-Za-z]/.exec(first)?.[0] ?? '';
  const spellings: readonly (readonly [name: string, target: string])[] = [
    ['a format behind the path', `${path}.json`],
    ['another format behind the path', `${path}.html`],
    ['an index behind the path', `${path}/index.php`],
    ['a script before the path', `/index.php${path}`],
    ['a slash behind the path', `${path}/`],
    ['a parameter behind the path', `${path};a=b`],
    ['a parameter behind the first segment', path.replace(`/${first}`, `/${first};a=b`)],
    ['an empty query', `${path}?`],
    ['capital letters', path.toUpperCase()],
    ['doubled slashes', path.replaceAll('/', '//')],
    ['an encoded letter', path.replace(letter, percent(letter))],
    ['a letter encoded twice', path.replace(letter, percent(letter).replace('%', '%25'))],
    ['a single dot', `/.${path}`],
    ['dots upwards', `/stepgate-probe/..${path}`],
    ['encoded dots upwards', `/stepgate-probe/%2e%2e${path}`],
    ['an encoded slash upwards', `/stepgate-probe/..%2f${path.slice(1)}`],
    ['a backslash upwards', `/stepgate-probe\\..${path}`],
    ['dots with a parameter', `/stepgate-probe/..;${path}`],
    ['an encoded slash', path.replace(/(?<=.)\//, '%2f')],
    ['a backslash', path.replace(/(?<=.)\//, '\\')],
    ['a blank behind the path', `${path}%20`],
    ['a zero byte behind the path', `${path}%00`],
    ['a fragment behind the path', `${path}#a`],
    ['a long s', path.replace('s', '%C5%BF')],
    ['a Kelvin sign', path.replace('k', '%E2%84%AA')],
    [
      'a full-width letter',
      path.replace(letter, encodeURIComponent(String.fromCodePoint(0xfee0 + (letter.codePointAt(0) ?? 0)))),
    ],
  ];
  const plain = plainRequest({ method, path });
  return spellings
    .filter(([, target]) => target !== path)
    .map(([name, target]) => ({ name, request: { ...plain, target }, beside: null }));
}

function percent(letter: string): string {
  return letter === '' ? '' : `%${letter.charCodeAt(0).toString(16)}`;
}

function oddMethods({ method, path }: GuardedRoute): OddRequest[] {
  const other = method === 'GET' ? 'POST' : 'GET';
  const query = path.includes('?') ? '&' : '?';
  const post = (target: string, headers: Headers = [], body = ''): RawRequest => ({
    method: 'POST',
    target,
    headers,
    body,
  });
  const as = (headers: Headers): RawRequest => ({ method: other, target: path, headers, body: '' });
  const form = [['Content-Type', 'application/x-www-form-urlencoded']] as const;
  const preflight = [
    ['Origin', 'https://stepgate-probe.example'],
    ['Access-Control-Request-Method', method],
  ] as const;
  const override = (name: string) => [[name, method]] as const;
  const overrides: OddRequest[] = [
    ...[
      'X-HTTP-Method-Override',
      'X-HTTP-Method',
      'X-Method-Override',
      'X_HTTP_Method_Override',
      'X-HTTP_Method-Override',
      'X.HTTP.Method.Override',
    ].map((name) => ({ name: `${name}: ${method}`, request: as(override(name)), beside: as([]) })),
    {
      name: 'two lines of X-HTTP-Method-Override',
      request: as([['X-HTTP-Method-Override', other], ...override('X-HTTP-Method-Override')]),
      beside: as([]),
    },
    {
      name: `_method=${method} in the query`,
      request: post(`${path}${query}_method=${method}`),
      beside: post(path),
    },
    {
      name: `_method=${method} in a form`,
      request: post(path, form, `_method=${method}`),
      beside: post(path, form, 'a=b'),
    },
  ];
  return [
    ...overrides.filter(({ request }) => request.method !== method || request.headers.length > 0),
    {
      name: 'the method in small letters',
      request: { ...plainRequest({ method: method.toLowerCase(), path }) },
      beside: null,
    },
    {
      name: 'OPTIONS with a session',
      request: {
        method: 'OPTIONS',
        target: path,
        headers: [...preflight, ['Authorization', 'Bearer stepgate-probe']],
        body: '',
      },
      beside: null,
    },
    {
      name: 'OPTIONS with a body',
      request: { method: 'OPTIONS', target: path, headers: [...preflight, ...form], body: 'a=b' },
      beside: { method: 'OPTIONS', target: path, headers: preflight, body: '' },
    },
  ];
}

/** The route named in a header, in a request of a path that nothing answers. */
function oddTargets({ method, path }: GuardedRoute, { nowhere }: ProbeMeans): OddRequest[] {
  const plain = plainRequest({ method, path: nowhere });
  return [
    'X-Rewrite-URL',
    'X-Original-URL',
    'X-Original-URI',
    'X-Forwarded-Uri',
    'X-Forwarded-Path',
    'X_Rewrite_URL',
  ].map((name) => ({
    name: `${name} for another path`,
    request: { ...plain, headers: [[name, path]] },
    beside: plain,
  }));
}

/** Header names that only the gateway may set. */
function oddNames(route: GuardedRoute): OddRequest[] {
  const said: readonly Headers[] = [
    [['X-Stepgate-Decision', 'allow']],
    [['X_Stepgate_Decision', 'allow']],
    [['X-Stepgate_Subject', 'stepgate-probe']],
    [
      ['X-Forwarded-Method', 'OPTIONS'],
      ['X-Original-Method', 'OPTIONS'],
    ],
    [['X-Forwarded-Uri', '/']],
    [['Connection', 'close, X-Stepgate-Decision, X-Stepgate-Key, X-Forwarded-Method, X-Forwarded-Uri']],
  ];
  return said.map((headers) => ({
    name: headers.map((line) => line.join(': ')).join(', '),
    request: { ...plainRequest(route), headers },
    beside: null,
  }));
}

function oddCredentials(route: GuardedRoute, { cookieName, session, steppedUp }: ProbeMeans): OddRequest[] {
  const own = ['Cookie', `${cookieName}=${steppedUp}`] as const;
  const bearer = (token: string) => ['Authorization', `Bearer ${token}`] as const;
  const octal = `\\${session.charCodeAt(0).toString(8).padStart(3, '0')}${session.slice(1)}`;
  const mixtures: readonly (readonly [name: string, headers: Headers])[] = [
    ['two Authorization lines beside a cookie', [bearer(session), bearer(session), own]],
    ['two Authorization lines of two accounts', [bearer(session), bearer(steppedUp)]],
    ['a word behind the token', [['Authorization', `Bearer ${session} x`], own]],
    ['a tab before the token', [['Authorization', `Bearer\t${session}`], own]],
    ['another scheme beside a cookie', [['Authorization', 'Basic eDp5'], own]],
    ['DPoP without a proof of possession', [['Authorization', `DPoP ${session}`], own]],
    ['two session cookies', [['Cookie', `${cookieName}=${steppedUp}; ${cookieName}=${session}`]]],
    ['two Cookie lines', [own, ['Cookie', `${cookieName}=${session}`]]],
    ['a quoted cookie with an octal escape', [['Cookie', `${cookieName}=${steppedUp}; ${cookieName}="${octal}"`]]],
    ['cookies separated by a blank', [['Cookie', `a=b ${cookieName}=${session}`], bearer(steppedUp)]],
    ['a cookie with an unclosed quote', [['Cookie', `${cookieName}="${session}; ${cookieName}=${steppedUp}`]]],
  ];
  const plain = plainRequest(route);
  const inQuery = `${plain.target}${plain.target.includes('?') ? '&' : '?'}access_token=${session}`;
  return [
    ...mixtures.map(([name, headers]) => ({ name, request: { ...plain, headers }, beside: null })),
    {
      name: 'a token in the query beside a cookie',
      request: { ...plain, target: inQuery, headers: [own] },
      beside: null,
    },
  ];
}
