import { expect, test } from 'vitest';
import { BOUND_COOKIE, REFRESH_PATH, REGISTER_PATH } from '../../../src/contract/device-session.ts';
import { fakeBrowser, type Network } from '../../support/device-session/browser.ts';
import type { ClientRequest } from '../../support/gateways/client.ts';
import type { Stage } from '../../support/gateways/stage.ts';
import type { Arrival } from '../../support/gateways/upstream.ts';
import type { Gateway } from './scenarios.ts';

const TRAITS = 'v=1;fp=b1946ac92492d2347c6235b4d2611184;c.canvas=a1b2;c.webgl=c3d4;c.fonts=e5f6;c.machine=a7b8';
/** Browsers do without TLS for the host itself. */
const ORIGIN = 'https://localhost';
const QUIET = { body: '', from: '127.0.0.2', websocket: false } as const satisfies Partial<ClientRequest>;

/** Defines the tests of device bound sessions through a gateway that runs; `stageOf` and `gatewayOf` are asked when they run. */
export function deviceSessionTests(stageOf: () => Stage, gatewayOf: () => Gateway): void {
  test('A browser registers a key through the gateway, refreshes, and the application sees a bound device', async () => {
    let arrivals: readonly Arrival[] = [];
    const network: Network = async ({ method, url, headers }) => {
      const { host, pathname, search } = new URL(url);
      const answer = await gatewayOf().send({
        ...QUIET,
        method,
        target: `${pathname}${search}`,
        headers: [
          ['Host', host],
          ...Object.entries(headers),
          ...(method === 'POST' ? [['Content-Length', '0'] as const] : []),
        ],
      });
      arrivals = answer.arrivals;
      const lines = [...answer.headers].flatMap(([name, values]) => values.map((value) => [name, value] as const));
      return { status: answer.status, headers: lines, body: answer.body };
    };
    // The first answer of a service that has just started may take longer than a gateway waits.
    let attempts = 0;
    const warm = async (): Promise<number> => {
      const subject = `early-${++attempts}`;
      const [session, su] = [await stageOf().token(subject), await stageOf().token(subject, { su: true })];
      const headers = [
        ['Authorization', `Bearer ${session}`],
        ['X-Step-Up-Token', su],
        ['Content-Length', '0'],
      ] as const;
      return (await gatewayOf().send({ ...QUIET, method: 'POST', target: '/api/pay', headers })).status;
    };
    await expect.poll(warm, { timeout: 30_000 }).toBe(200);
    const browser = fakeBrowser({ network, now: () => Date.now() });
    const authorization = `Bearer ${await stageOf().token('dora')}`;
    const headers = { authorization, 'x-stepgate-device': TRAITS, 'user-agent': 'Mozilla/5.0 Chrome/156.0.0.0' };

    const proof = await stageOf().token('dora', { su: true });
    const paid = await browser.request(`${ORIGIN}/api/pay`, {
      method: 'POST',
      headers: { ...headers, 'x-step-up-token': proof },
    });
    expect(paid.status, paid.body).toBe(200);
    expect(browser.pathsSince()).toEqual(['/api/pay', REGISTER_PATH]);
    expect(browser.sessions).toHaveLength(1);

    browser.expireCookie(BOUND_COOKIE);
    const seen = await browser.request(`${ORIGIN}/public/a`, { headers });
    expect(seen.status).toBe(200);
    expect(browser.pathsSince()).toEqual([REFRESH_PATH, '/public/a']);
    expect(browser.cookie(BOUND_COOKIE)).not.toBeNull();
    expect(arrivals.map(({ headers: told }) => told.get('x-stepgate-reasons'))).toEqual([
      [expect.stringContaining('bound_device')],
    ]);
    // The paths of the service never reach the application.
    expect(arrivals.map(({ target }) => target)).toEqual(['/public/a']);
  });

  test.each([
    '/.stepgate/device/../../healthz',
    '/.stepgate/device/%2e%2e/%2e%2e/healthz',
    '/.stepgate/device/register/../../../healthz',
    '/.stepgate/device/register/%2e%2e/%2e%2e/%2e%2e/healthz',
    '/.stepgate/device/register%2f..%2f..%2f..%2fhealthz',
    '/.stepgate/device/%252e%252e/%252e%252e/healthz',
    '/.stepgate/device/register/healthz',
  ])('The gateway opens no other path of the service: %s', async (target) => {
    const answer = await gatewayOf().send({ ...QUIET, method: 'GET', target, headers: [] });
    expect(answer.body).not.toContain('"ok"');
    expect([...answer.headers.keys()]).not.toContain('x-request-id');
  });

  test('A body that a client sends to the paths of device bound sessions is refused', async () => {
    const answer = await gatewayOf().send({
      ...QUIET,
      method: 'POST',
      target: REGISTER_PATH,
      headers: [],
      body: 'x'.repeat(2000),
    });
    expect(answer.status).toBe(413);
    expect(answer.arrivals).toEqual([]);
  });
}
