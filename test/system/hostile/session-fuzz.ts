import fc from 'fast-check';
import type { Proof, ProofVerdict } from '../../../src/model/proof.ts';
import { API_KEY, NOW_MS, scene } from '../../support/scene.ts';
import {
  bearerTokens,
  cookieHeaders,
  cookieTokens,
  hasPython,
  type Line,
  pythonCookies,
  queryTokens,
} from './origin-sessions.ts';
import { credentialLines, queryOfTokens, SESSION_COOKIE, TOKENS } from './sessions.ts';

/** A request that was let in as somebody, while some origin serves somebody else. */
export interface SessionFinding {
  readonly target: string;
  readonly lines: readonly Line[];
  readonly why: string;
}

/** What a round came to. */
export interface SessionRound {
  readonly sent: number;
  /** How often each state of the credential was answered. */
  readonly states: ReadonlyMap<string, number>;
  /** How many were let in as somebody. */
  readonly allowed: number;
  readonly findings: readonly SessionFinding[];
}

const OWNERS: ReadonlyMap<string, string> = new Map(Object.entries(TOKENS).map(([subject, token]) => [token, subject]));

/** Whoever is let in is let in to both: a guarded page that takes no step-up, and one for which the token is the proof. */
const RULES = {
  version: 1,
  actions: { page: { routes: ['GET /page'] }, admin: { routes: ['GET /admin'] } },
  floor: 'step-up',
  default: 'allow',
  rules: [{ id: 'admin', when: { action: 'admin' }, then: { decision: 'step-up', max_age: 600, reason: 'admin' } }],
};

function verdictOn(token: string): ProofVerdict {
  const subject = OWNERS.get(token);
  if (subject === undefined) return { valid: false, error: { code: 'malformed', message: '', suspicious: false } };
  const at = NOW_MS / 1000 - 10;
  const proof: Proof = {
    issuer: 'https://idp.example',
    subject,
    space: 'default',
    steppedUp: true,
    actor: null,
    authTimeStated: true,
    acr: null,
    amr: [],
    authTime: at,
    maxAgeSeconds: 600,
    expiresAt: at + 3600,
    id: token,
    session: null,
    toleranceSeconds: 5,
  };
  return { valid: true, proof };
}

/** The service in this process behind what Node makes of header lines, beside the parsers of origins. */
export function sessionFuzzer() {
  const { app, settled } = scene({
    rules: RULES,
    verifier: {
      spaces: ['default'],
      verify: async (token) => verdictOn(token),
      terms: () => [],
      missingKeys: () => [],
      warm: async () => undefined,
    },
    deps: { gateway: { sessionCookie: SESSION_COOKIE, stepUpUrl: null, returnHosts: [], publicUrl: null } },
  });

  async function ask(target: string, lines: readonly Line[]) {
    const told: readonly Line[] = [
      ['X-Stepgate-Key', API_KEY],
      ['X-Forwarded-Method', 'GET'],
      ['X-Forwarded-Uri', target],
      // The thief's own proof, in the way that no session needs.
      ['X-Step-Up-Token', TOKENS.mallory],
    ];
    const all = [...told, ...lines];
    const headers = new Headers();
    for (const [name, value] of all) headers.append(name, value);
    const request = new Request('http://hook.example/forward-auth', { headers });
    const incoming = { rawHeaders: all.flat(), url: '/forward-auth', method: 'GET', socket: {} };
    const response = await app.fetch(request, { incoming });
    return {
      status: response.status,
      decision: response.headers.get('x-stepgate-decision'),
      subject: response.headers.get('x-stepgate-subject') ?? '',
      error: response.headers.get('x-stepgate-error') ?? '',
      reasons: response.headers.get('x-stepgate-reasons') ?? '',
      cookie: response.headers.get('set-cookie'),
    };
  }

  return {
    /** The same seed sends the same. */
    async round(seed: number, count: number): Promise<SessionRound> {
      const blocks = fc.sample(credentialLines, { seed, numRuns: count });
      const headers = blocks.map(cookieHeaders);
      const queries = fc.sample(queryOfTokens, { seed, numRuns: count });
      const asked = hasPython ? pythonCookies(headers.flat(), SESSION_COOKIE) : [];
      const states = new Map<string, number>();
      const findings: SessionFinding[] = [];
      let allowed = 0;
      let at = 0;
      for (const [i, lines] of blocks.entries()) {
        const mine = asked.slice(at, at + (headers[i]?.length ?? 0)).flat();
        at += headers[i]?.length ?? 0;
        // Half of them without a query: few requests with two credentials are let in.
        const target = `${i % 2 === 0 ? '/page' : '/admin'}${i % 4 < 2 ? '' : (queries[i] ?? '')}`;
        const found = [...bearerTokens(lines), ...cookieTokens(lines, SESSION_COOKIE), ...queryTokens(target), ...mine];
        const served = new Set(found.flatMap((token) => OWNERS.get(token) ?? []));
        const answer = await ask(target, lines);
        const state = answer.error === '' ? (answer.decision ?? '') : answer.error;
        states.set(state, (states.get(state) ?? 0) + 1);
        const say = (why: string): void =>
          void findings.push({ target, lines, why: `${why}: ${JSON.stringify(answer)}` });
        if (![200, 401, 403].includes(answer.status)) say(`status ${answer.status}`);
        if (answer.status !== 200) {
          if (answer.cookie !== null) say('a cookie for what was not let in');
          continue;
        }
        if (answer.subject !== '') allowed += 1;
        if ([...served].some((subject) => subject !== answer.subject)) say(`origins serve ${[...served].join(' or ')}`);
      }
      await settled();
      return { sent: count, states, allowed, findings };
    },
  };
}
