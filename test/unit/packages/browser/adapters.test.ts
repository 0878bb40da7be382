import createSdk from '@descope/web-js-sdk';
import { type INavigator, InMemoryWebStorage, UserManager, WebStorageStateStore } from 'oidc-client-ts';
import { describe, expect, test, vi } from 'vitest';
import type { StepUpRequirement } from '../../../../packages/browser/src/challenge.ts';
import { descopeFlow, descopeLogin } from '../../../../packages/browser/src/descope.ts';
import { oidcPopup, oidcRedirect } from '../../../../packages/browser/src/oidc.ts';

const PROVIDER = 'https://login.example';
const ASKED: StepUpRequirement = { acrValues: ['phr', 'phrh'], maxAge: 0, reason: null };

/** A browser window that only notes where it was sent. */
function windowThat(ends: () => Promise<{ url: string }>) {
  const visited: URL[] = [];
  const prepared: unknown[] = [];
  const navigator: INavigator = {
    prepare: async (params) => {
      prepared.push(params);
      return {
        navigate: async ({ url }) => {
          visited.push(new URL(url));
          return ends();
        },
        close: () => undefined,
      };
    },
    callback: async () => undefined,
  };
  return { visited, prepared, navigator };
}

function manager(navigator: INavigator): UserManager {
  const store = new WebStorageStateStore({ store: new InMemoryWebStorage() });
  const settings = {
    authority: PROVIDER,
    client_id: 'shop',
    redirect_uri: 'https://shop.example/back',
    scope: 'openid',
    metadata: { issuer: PROVIDER, authorization_endpoint: `${PROVIDER}/auth`, token_endpoint: `${PROVIDER}/token` },
    stateStore: store,
    userStore: store,
    automaticSilentRenew: false,
  };
  return new UserManager(settings, navigator, navigator, navigator);
}

describe('OpenID Connect by oidc-client-ts', () => {
  test('OpenID Connect by oidc-client-ts asks the provider for the classes and the age of the challenge, with state and PKCE', async () => {
    const { visited, prepared, navigator } = windowThat(() => Promise.reject(new Error('Popup closed by user')));
    const stepUp = oidcPopup(manager(navigator));
    expect(await stepUp(ASKED)).toBe(false);
    const [url] = visited;
    expect(url?.origin).toBe(PROVIDER);
    expect(Object.fromEntries(url?.searchParams ?? [])).toMatchObject({
      acr_values: 'phr phrh',
      max_age: '0',
      prompt: 'login',
      response_type: 'code',
      state: expect.stringMatching(/.{20}/),
      code_challenge: expect.stringMatching(/.{40}/),
      code_challenge_method: 'S256',
    });
    expect(prepared).toMatchObject([{ popupAbortOnClose: true }]);
  });

  test('OpenID Connect by oidc-client-ts asks for a log-in page only where the challenge wants a log-in of now', async () => {
    const { visited, navigator } = windowThat(() => Promise.reject(new Error('Popup closed by user')));
    await oidcPopup(manager(navigator))({ ...ASKED, maxAge: 300 });
    expect(Object.fromEntries(visited[0]?.searchParams ?? [])).toMatchObject({ max_age: '300' });
    expect(visited[0]?.searchParams.has('prompt')).toBe(false);
  });

  test('OpenID Connect by oidc-client-ts asks for neither where the challenge names none', async () => {
    const { visited, navigator } = windowThat(() => Promise.reject(new Error('Popup closed by user')));
    await oidcPopup(manager(navigator))({ acrValues: [], maxAge: null, reason: null });
    expect([...(visited[0]?.searchParams.keys() ?? [])]).not.toContain('acr_values');
    expect([...(visited[0]?.searchParams.keys() ?? [])]).not.toContain('max_age');
  });

  test('OpenID Connect by oidc-client-ts takes a refusal at the provider for a decline, and tells any other fault', async () => {
    const answering = (error: string) => {
      const { visited, navigator } = windowThat(async () => {
        const state = visited[0]?.searchParams.get('state') ?? '';
        return { url: `https://shop.example/back?error=${error}&state=${state}` };
      });
      return oidcPopup(manager(navigator))(ASKED);
    };
    expect(await answering('access_denied')).toBe(false);
    await expect(answering('invalid_request')).rejects.toThrow('invalid_request');
    const { navigator } = windowThat(async () => ({ url: 'https://shop.example/back?code=c&state=of-somebody-else' }));
    await expect(oidcPopup(manager(navigator))(ASKED)).rejects.toThrow('No matching state');
  });

  test('OpenID Connect by oidc-client-ts proves by the token that it is told to, and says where there is none', async () => {
    const client = { signinPopup: async () => ({ access_token: 'access', id_token: 'id' }) };
    expect(await oidcPopup(client)(ASKED)).toBe('access');
    expect(await oidcPopup(client, 'id_token')(ASKED)).toBe('id');
    const bare = { signinPopup: async () => ({ access_token: 'access' }) };
    await expect(oidcPopup(bare, 'id_token')(ASKED)).rejects.toThrow('holds no id_token');
  });

  test('OpenID Connect by oidc-client-ts leaves the page with its address to come back to', async () => {
    const browser = Object.assign(new EventTarget(), { location: { href: 'https://shop.example/basket?x=1' } });
    const { location } = browser;
    const add = browser.addEventListener.bind(browser);
    const remove = browser.removeEventListener.bind(browser);
    const before = { ...Object.getOwnPropertyDescriptors(globalThis) };
    Object.assign(globalThis, { location, addEventListener: add, removeEventListener: remove });
    try {
      const args: { url_state: string }[] = [];
      const ended = oidcRedirect({ signinRedirect: async (given) => void args.push(given) })(ASKED);
      await Promise.resolve();
      expect(args).toMatchObject([
        { acr_values: 'phr phrh', max_age: 0, prompt: 'login', url_state: 'https://shop.example/basket?x=1' },
      ]);
      browser.dispatchEvent(Object.assign(new Event('pageshow'), { persisted: false }));
      browser.dispatchEvent(Object.assign(new Event('pageshow'), { persisted: true }));
      expect(await ended).toBe(false);
    } finally {
      for (const name of ['location', 'addEventListener', 'removeEventListener'] as const) {
        const own = before[name];
        if (own === undefined) Reflect.deleteProperty(globalThis, name);
        else Object.defineProperty(globalThis, name, own);
      }
    }
  });
});

describe('Descope by its SDK', () => {
  const sdk = createSdk({ projectId: `P${'2'.repeat(27)}`, persistTokens: true });

  test('Descope by its SDK asks for a step-up, says what was challenged, and proves by the new session token', async () => {
    const asked: unknown[] = [];
    const stepUp = descopeLogin(async (...given) => {
      asked.push(...given);
      return { ok: true, data: { sessionJwt: 'session' } };
    });
    expect(await stepUp(ASKED)).toBe('session');
    expect(asked).toEqual([{ stepup: true }, ASKED]);
  });

  test('Descope by its SDK runs the flow with what was challenged, so that it can ask now', async () => {
    const attributes = new Map<string, string>();
    const setAttribute = (name: string, value: string) => void attributes.set(name, value);
    const flow = Object.assign(new EventTarget(), { setAttribute });
    vi.stubGlobal('document', { createElement: () => flow });
    const ended = descopeFlow({ projectId: 'P2', show: () => () => undefined })(ASKED);
    flow.dispatchEvent(new CustomEvent('success', { detail: { sessionJwt: 'session' } }));
    expect(await ended).toBe('session');
    vi.unstubAllGlobals();
    expect(attributes.get('flow-id')).toBe('step-up');
    expect(JSON.parse(attributes.get('client') ?? '')).toEqual({ acr_values: 'phr phrh', max_age: 0 });
  });

  test('Descope by its SDK takes the answers of the very SDK', () => {
    const stepUp = descopeLogin((loginOptions) =>
      sdk.totp.verify('ann', '123456', loginOptions, sdk.getRefreshToken()),
    );
    expect(stepUp).toBeTypeOf('function');
  });

  test('Descope by its SDK knows a session that lives in a cookie, a decline and a fault', async () => {
    expect(await descopeLogin(async () => ({ ok: true, data: { sessionJwt: '' } }))(ASKED)).toBe(true);
    expect(await descopeLogin(async () => null)(ASKED)).toBe(false);
    const error = { errorCode: 'E061102', errorDescription: 'Invalid code' };
    await expect(descopeLogin(async () => ({ ok: false, error }))(ASKED)).rejects.toThrow('E061102: Invalid code');
  });
});
