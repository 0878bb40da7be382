import { expect, test } from 'vitest';
import type { Stage } from '../../support/gateways/stage.ts';
import type { Gateway } from './scenarios.ts';

const HTML = 'text/html,application/xhtml+xml;q=0.9';
const PAGE_LOAD = [
  ['Accept', HTML],
  ['Accept-Language', 'de'],
  ['Sec-Fetch-Mode', 'navigate'],
  ['Sec-Fetch-Dest', 'document'],
] as const;

/** Defines the tests of pages for people through a gateway that runs; `stageOf` and `gatewayOf` are called when they run. */
export function pageTests(stageOf: () => Stage, gatewayOf: () => Gateway): void {
  const send = async (target: string, headers: readonly (readonly [string, string])[], method = 'GET') =>
    gatewayOf().send({
      method,
      target,
      headers: [['Authorization', `Bearer ${await stageOf().token('ann')}`], ...headers],
      body: '',
      from: '127.0.0.2',
      websocket: false,
    });

  test('A person who is refused gets a page with a reference and no reason, and a script gets JSON', async () => {
    const page = await send('/upload/x', PAGE_LOAD);
    expect(page.status).toBe(403);
    expect(page.headers.get('content-type')?.[0]).toContain('text/html');
    expect(page.body).toContain('<h1>Das ist nicht möglich</h1>');
    const [reference = ''] = page.headers.get('x-stepgate-request-id') ?? [];
    expect(reference).not.toBe('');
    expect(page.body).toContain(`Referenz: ${reference}`);
    expect(page.body).not.toContain('refused');
    expect(page.headers.get('content-security-policy')?.[0]).toContain("default-src 'none'");
    expect(page.arrivals).toEqual([]);

    const script = await send('/upload/x', [['Accept', 'application/json']]);
    expect([script.status, JSON.parse(script.body).error]).toEqual([403, 'access_denied']);
  });

  test('A posted form that needs a step-up is a page that says that nothing was sent', async () => {
    const page = await send('/api/pay', PAGE_LOAD, 'POST');
    expect(page.status).toBe(401);
    expect(page.headers.get('content-type')?.[0]).toContain('text/html');
    expect(page.headers.get('www-authenticate')?.[0]).toContain('insufficient_user_authentication');
    expect(page.arrivals).toEqual([]);
  });
}
