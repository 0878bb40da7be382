import { hash } from 'node:crypto';
import { rawRequest } from './load.ts';
import { KEY } from './process.ts';

const USER_AGENTS = [
  'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0',
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36',
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1',
  'Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36',
];

/** Of ten checks: what is asked. Payments teach by their decision, the others by reported events only. */
const ACTIONS = [
  'profile.view',
  'profile.view',
  'catalogue.browse',
  'profile.view',
  'login',
  'catalogue.browse',
  'payment.transfer',
  'profile.view',
  'login',
  'payment.transfer',
] as const;

const KNOWN_SUBJECTS = 2000;

interface Person {
  readonly subject: string;
  readonly ip: string;
  readonly user_agent: string;
  readonly session: string;
  readonly device: { readonly fingerprint: string; readonly components: object; readonly token?: string };
}

function person(name: string, n: number): Person {
  const part = (what: string): string => hash('md5', `${what} of ${name} ${n}`);
  return {
    subject: `${name}-${n}@example.org`,
    // Lines of Dutch and British households.
    ip: n % 2 === 0 ? `89.98.${(n >> 8) % 256}.${n % 256}` : `81.2.${64 + ((n >> 8) % 64)}.${n % 256}`,
    user_agent: USER_AGENTS[n % USER_AGENTS.length] ?? '',
    session: `session-of-${name}-${n}`,
    device: {
      fingerprint: part('fingerprint'),
      components: { canvas: part('c'), fonts: part('f'), audio: part('a'), webgl: part('w'), screen: part('s') },
    },
  };
}

/** Makes subjects known by reporting a step-up of each with its device. Answers with them and their device tokens. */
async function introduce(url: string): Promise<readonly Person[]> {
  const known: Person[] = [];
  for (let from = 0; from < KNOWN_SUBJECTS; from += 50) {
    const group = Array.from({ length: 50 }, (_, i) => person('known', from + i));
    known.push(
      ...(await Promise.all(
        group.map(async (one) => {
          const response = await fetch(`${url}/v1/events`, {
            method: 'POST',
            headers: { Authorization: `Bearer ${KEY}`, 'Content-Type': 'application/json' },
            body: JSON.stringify({ type: 'step_up.succeeded', trust_device: true, ...one }),
          });
          const text = await response.text();
          if (response.status !== 202) throw new Error(`the event was answered ${response.status}: ${text}`);
          const { device } = JSON.parse(text) as { device: { token: string } };
          return { ...one, device: { ...one.device, token: device.token } };
        }),
      )),
    );
  }
  return known;
}

/** What is asked: a check with its full answer or the minimal one, or a call of a gateway with a session. */
export type Asking = 'full' | 'minimal' | 'forward-auth';

/** Makes requests to any server: nine of ten by a known subject on its trusted device, one by somebody new. */
export type Traffic = (target: string, asking?: Asking) => () => Buffer;

/** Makes subjects known to a service. `sessionOf` signs the session token of a subject, for calls of a gateway. */
export async function traffic(url: string, sessionOf?: (subject: string) => Promise<string>): Promise<Traffic> {
  const known = await introduce(url);
  const sessions = sessionOf === undefined ? [] : await Promise.all(known.map(({ subject }) => sessionOf(subject)));
  let newcomers = 0;
  return (target, asking = 'full') => {
    const check = (one: Person, more: object): Buffer =>
      rawRequest(`${target}/v1/risk-check`, KEY, { ...one, ...more }, asking === 'minimal' ? [MINIMAL] : []);
    const prepared = known.map((one, n) => {
      if (asking === 'forward-auth') return gatewayCall(target, one, sessions[n] ?? null);
      const action = ACTIONS[n % ACTIONS.length];
      return check(one, { action, context: { amount: 100 + (n % 400), currency: 'EUR' } });
    });
    let sent = 0;
    return () => {
      sent += 1;
      if (sent % 10 === 0) {
        const newcomer = person('new', newcomers++);
        return asking === 'forward-auth' ? gatewayCall(target, newcomer, null) : check(newcomer, { action: 'login' });
      }
      // A stride that meets every subject before it meets one again.
      return prepared[(sent * 7919) % prepared.length] ?? Buffer.alloc(0);
    };
  };
}

const MINIMAL = 'Prefer: return=minimal';

/** A page that a gateway asks about, by a browser that shows its device. */
function gatewayCall(target: string, { ip, user_agent, device }: Person, session: string | null): Buffer {
  const lines = [
    'GET /forward-auth HTTP/1.1',
    `Host: ${new URL(target).host}`,
    `X-Stepgate-Key: ${KEY}`,
    'X-Forwarded-Method: GET',
    'X-Forwarded-Proto: https',
    'X-Forwarded-Host: shop.example',
    'X-Forwarded-Uri: /catalogue/shoes?page=2',
    `X-Forwarded-For: ${ip}`,
    `User-Agent: ${user_agent}`,
    `X-Stepgate-Device: v=1;fp=${device.fingerprint};confidence=0.7;bot=0`,
    ...(session === null ? [] : [`Authorization: Bearer ${session}`]),
    ...(device.token === undefined ? [] : [`Cookie: __Host-stepgate-device=${device.token}`]),
  ];
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`);
}
