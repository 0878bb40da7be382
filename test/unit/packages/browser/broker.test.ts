import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { BrokerError, brokerRedirect } from '../../../../packages/browser/src/broker.ts';

const ASKED = { acrValues: ['phr'], maxAge: 0, reason: null };
const PAGE = 'https://shop.example/cart?x=1';

/** A page whose requests are answered by this, and that notes where it was sent. */
function pageWith(answer: () => Response | Promise<Response>) {
  const browser = new EventTarget();
  const visited: string[] = [];
  const asked: { readonly path: string; readonly init: RequestInit }[] = [];
  vi.stubGlobal('addEventListener', browser.addEventListener.bind(browser));
  vi.stubGlobal('removeEventListener', browser.removeEventListener.bind(browser));
  vi.stubGlobal('location', { href: PAGE, assign: (to: string) => visited.push(to) });
  vi.stubGlobal('fetch', async (path: string, init: RequestInit) => {
    asked.push({ path, init });
    return answer();
  });
  return { browser, visited, asked };
}

describe('a step-up through the gateway', () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  test('A step-up through the gateway leaves the page for the address that Stepgate names, and coming back without it is a decline', async () => {
    const { browser, visited, asked } = pageWith(() => Response.json({ location: 'https://id.example/auth?x' }));
    const ended = brokerRedirect()(ASKED);
    await vi.waitFor(() => expect(visited).toEqual(['https://id.example/auth?x']));
    expect(asked).toMatchObject([{ path: '/.stepgate/step-up', init: { method: 'POST', mode: 'same-origin' } }]);
    expect(JSON.parse(String(asked[0]?.init.body))).toEqual({ acr_values: ['phr'], max_age: 0, return_to: PAGE });
    browser.dispatchEvent(Object.assign(new Event('pageshow'), { persisted: true }));
    expect(await ended).toBe(false);
  });

  test.each([
    [
      'no session',
      () => Response.json({ code: 'no_session', detail: 'log in first' }, { status: 401 }),
      'no_session',
      'log in first',
    ],
    ['a page of the application', () => new Response('<h1>Not found', { status: 404 }), 'unexpected_answer', '404'],
    ['an answer that names no address', () => Response.json({}), 'unexpected_answer', '200'],
  ])(
    'A step-up through the gateway that is answered with %s is an error that says why',
    async (_, answer, code, said) => {
      const { visited } = pageWith(answer);
      const error = await brokerRedirect({ path: '/up' })(ASKED).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(BrokerError);
      expect(error).toMatchObject({ code, message: expect.stringContaining(said) });
      expect(visited).toEqual([]);
    },
  );
});
