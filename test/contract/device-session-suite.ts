import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { BOUND_COOKIE, REFRESH_PATH, REGISTER_PATH } from '../../src/contract/device-session.ts';
import { applicationBehind, type CallService, headerOf, reasonsOf } from '../support/device-session/application.ts';
import { type FakeBrowser, type FakeBrowserOptions, fakeBrowser } from '../support/device-session/browser.ts';

/** A service with `SESSION_RULES` and DEVICE_BOUND_SESSIONS on. */
export interface SessionService {
  readonly call: CallService;
  /** Key of the gateway. */
  readonly key: string;
  /** A session token, or with `su` a proof that its subject authenticated just now. */
  token(subject: string, more?: { readonly su?: boolean }): Promise<string>;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Resolves when what follows the answers is done. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

const ORIGIN = 'https://app.example';
const TRAITS = 'v=1;fp=b1946ac92492d2347c6235b4d2611184;c.canvas=a1b2;c.webgl=c3d4;c.fonts=e5f6;c.machine=a7b8';

/**
 * What browsers and service say to each other, from end to end. The titles are in our own words; most cases are those of the
 * web-platform-tests, seen from the server.
 *
 * @see https://github.com/web-platform-tests/wpt/tree/master/device-bound-session-credentials
 */
export function deviceSessionSuite(open: () => Promise<SessionService>): void {
  let service: SessionService;
  let subject: string;
  let people = 0;

  beforeAll(async () => {
    service = await open();
  }, 300_000);
  afterAll(() => service.close());
  beforeEach(() => {
    people++;
    subject = `ann-${people}`;
  });

  interface Person {
    readonly browser: FakeBrowser;
    /** Loads a page of the application as this person. */
    visit(path: string, headers?: { readonly [name: string]: string }): ReturnType<FakeBrowser['request']>;
    /** Steps up and pays: the device has earned trust. `traits` is what the collector saw; null: it did not run. */
    stepUp(traits?: string | null): ReturnType<FakeBrowser['request']>;
  }

  function person(
    more: Partial<FakeBrowserOptions> & {
      readonly origin?: string;
      readonly as?: string;
      readonly answers?: { readonly [path: string]: { readonly [name: string]: string } };
      readonly browser?: FakeBrowser;
    } = {},
  ): Person {
    const { origin = ORIGIN, as = subject, answers = {}, ...options } = more;
    const network = applicationBehind({ call: service.call, key: service.key, answers });
    const browser = more.browser ?? fakeBrowser({ network, now: service.now, ...options });
    const visit: Person['visit'] = async (path, headers = {}) => {
      const authorization = `Bearer ${await service.token(as)}`;
      const answer = await browser.request(`${origin}${path}`, {
        headers: { authorization, 'x-stepgate-device': TRAITS, ...headers },
      });
      await service.settled();
      return answer;
    };
    return {
      browser,
      visit,
      stepUp: async (traits = TRAITS) => {
        const answer = await browser.request(`${origin}/pay`, {
          method: 'POST',
          headers: {
            authorization: `Bearer ${await service.token(as)}`,
            ...(traits !== null && { 'x-stepgate-device': traits }),
            'x-step-up-token': await service.token(as, { su: true }),
          },
        });
        await service.settled();
        return answer;
      },
    };
  }

  async function registered(more: Parameters<typeof person>[0] = {}): Promise<Person> {
    const ann = person(more);
    expect((await ann.stepUp()).status).toBe(200);
    expect(ann.browser.sessions).toHaveLength(1);
    ann.browser.pathsSince();
    return ann;
  }

  describe('device bound sessions', () => {
    /** @see https://wpt.live/device-bound-session-credentials/create-session.https.html */
    test.each([{ algorithm: 'ES256' }, { algorithm: 'RS256' }, { quotes: true }] as const)(
      'A browser that was invited proves its key once, and again when the cookie is gone (%j)',
      async (options) => {
        const ann = person(options);
        expect((await ann.visit('/vault')).status).toBe(401);
        await ann.stepUp();
        expect(ann.browser.cookie(BOUND_COOKIE)).not.toBeNull();
        const seen = await ann.visit('/vault');
        expect(seen.status).toBe(200);
        expect(reasonsOf(seen)).toContain('bound');
        ann.browser.pathsSince();

        ann.browser.expireCookie(BOUND_COOKIE);
        expect((await ann.visit('/vault')).status).toBe(200);
        expect(ann.browser.pathsSince()).toEqual([REFRESH_PATH, '/vault']);
      },
    );

    /** @see https://wpt.live/device-bound-session-credentials/clear-site-data.https.html */
    test.each(['"cookies"', '"storage"'])(
      'A session that the application ends by Clear-Site-Data: %s is refreshed no more, and its device not trusted',
      async (directive) => {
        const ann = await registered({ answers: { '/bye': { 'Clear-Site-Data': directive } } });
        await ann.visit('/bye');
        ann.browser.expireCookie(BOUND_COOKIE);
        const seen = await ann.visit('/vault');
        expect(seen.status).toBe(401);
        expect(ann.browser.pathsSince()).toEqual(['/bye', '/vault']);
      },
    );

    /** @see https://wpt.live/device-bound-session-credentials/credentials-matching.https.html */
    test.each(['Path=/; Secure; SameSite=Lax', 'Path=/; Secure; HttpOnly; SameSite=Strict'])(
      'A cookie of the same name with other attributes than the session states is replaced by a refresh: %s',
      async (attributes) => {
        const ann = await registered();
        const value = ann.browser.cookie(BOUND_COOKIE);
        ann.browser.setCookie(ORIGIN, `${BOUND_COOKIE}=${value}; ${attributes}`);
        await ann.visit('/vault');
        expect(ann.browser.pathsSince()).toEqual([REFRESH_PATH, '/vault']);
      },
    );

    /** @see https://wpt.live/device-bound-session-credentials/credentials-matching.https.html */
    test('The cookie that the service sets has the attributes that the session states, so that nothing is refreshed', async () => {
      const ann = await registered();
      expect((await ann.visit('/vault')).status).toBe(200);
      expect(ann.browser.pathsSince()).toEqual(['/vault']);
    });

    /** @see https://wpt.live/device-bound-session-credentials/include-site.https.html */
    test('A session is the host’s own, as its cookies are: a sibling of the site refreshes nothing', async () => {
      const ann = await registered();
      ann.browser.expireCookie(BOUND_COOKIE);
      await ann.browser.request('https://www.app.example/vault');
      expect(ann.browser.pathsSince()).toEqual(['/vault']);
      expect(ann.browser.sessions[0]).toMatchObject({ includeSite: false, origin: ORIGIN });
    });

    /** @see https://wpt.live/device-bound-session-credentials/not-secure-connection.html */
    test('Over plain HTTP nobody is invited', async () => {
      const ann = person({ origin: 'http://app.example' });
      const paid = await ann.stepUp();
      expect(paid.status).toBe(200);
      expect(headerOf(paid, 'Secure-Session-Registration')).toBeNull();
      expect(ann.browser.sessions).toEqual([]);
    });

    /** @see https://wpt.live/device-bound-session-credentials/refresh-does-not-send-challenge.https.html */
    test('A refresh with the challenge of the last answer takes one call, time and again', async () => {
      const ann = await registered();
      for (let i = 0; i < 3; i++) {
        ann.browser.expireCookie(BOUND_COOKIE);
        expect((await ann.visit('/vault')).status).toBe(200);
      }
      expect(ann.browser.pathsSince()).toEqual([
        REFRESH_PATH,
        '/vault',
        REFRESH_PATH,
        '/vault',
        REFRESH_PATH,
        '/vault',
      ]);
    });

    /** @see https://wpt.live/device-bound-session-credentials/refresh-replaces-config.https.html */
    test('Each refresh states the whole session anew, under the same identifier', async () => {
      const ann = await registered();
      const [before] = ann.browser.sessions;
      ann.browser.expireCookie(BOUND_COOKIE);
      await ann.visit('/vault');
      const [after] = ann.browser.sessions;
      expect({ ...after, cachedChallenge: null }).toEqual({ ...before, cachedChallenge: null });
      expect(after?.cookie.name).toBe(BOUND_COOKIE);
    });

    /** @see https://wpt.live/device-bound-session-credentials/refresh-with-continue-false.https.html */
    test('The service ends a session whose device was bound to another key since', async () => {
      const ann = await registered();
      const old = ann.browser;
      // A copy of the profile without the key steps up and is bound to a key of its own.
      const other = person();
      other.browser.setCookie(ORIGIN, `__Host-stepgate-device=${old.cookie('__Host-stepgate-device')}; Path=/; Secure`);
      await other.stepUp();
      expect(other.browser.sessions).toHaveLength(1);
      const shown = await ann.visit('/vault');
      expect(shown.status).toBe(401);
      expect(reasonsOf(shown)).toContain('key_changed');
      old.pathsSince();

      old.expireCookie(BOUND_COOKIE);
      const seen = await ann.visit('/vault');
      expect(old.pathsSince()).toEqual([REFRESH_PATH, '/vault']);
      expect(old.sessions).toEqual([]);
      expect(old.cookie(BOUND_COOKIE)).toBeNull();
      expect(seen.status).toBe(401);
    });

    /** @see https://wpt.live/device-bound-session-credentials/registration-sends-challenge.https.html */
    test('The answer to a registration brings the challenge for the first refresh', async () => {
      const ann = await registered();
      expect(ann.browser.sessions[0]?.cachedChallenge).not.toBeNull();
    });

    /** @see https://wpt.live/device-bound-session-credentials/session-cookie-has-no-attributes.https.html */
    test('The session states every attribute of its cookie and leaves none to a default', async () => {
      const ann = await registered();
      expect(ann.browser.sessions[0]?.cookie.attributes).toBe('httponly; path=/; samesite=lax; secure');
    });

    /** @see https://wpt.live/device-bound-session-credentials/set-authorization.https.html */
    test('A proof without the authorization of the invitation registers nothing', async () => {
      const ann = person();
      const network = applicationBehind({ call: service.call, key: service.key });
      const forgetful = fakeBrowser({
        now: service.now,
        network: async (request) => {
          const answer = await network(request);
          const headers = answer.headers.map(
            ([name, value]) => [name, value.replace(/;authorization="[^"]*"/, '')] as const,
          );
          return { ...answer, headers };
        },
      });
      await person({ browser: forgetful }).stepUp();
      expect(forgetful.sessions).toEqual([]);
      await ann.stepUp();
      expect(ann.browser.sessions).toHaveLength(1);
    });

    /** @see https://wpt.live/device-bound-session-credentials/set-early-challenge.https.html */
    test('Challenges of several sessions are each good for their own', async () => {
      const [ann, bob] = [await registered(), await registered({ as: `${subject}-too` })];
      const [first, second] = [ann.browser.sessions[0], bob.browser.sessions[0]];
      if (first === undefined || second === undefined) throw new Error('two sessions were expected');
      [first.cachedChallenge, second.cachedChallenge] = [second.cachedChallenge, first.cachedChallenge];
      for (const { browser, visit } of [ann, bob]) {
        browser.expireCookie(BOUND_COOKIE);
        expect((await visit('/vault')).status).toBe(401);
        expect(browser.sessions).toEqual([]);
      }
    });

    /** @see https://wpt.live/device-bound-session-credentials/set-scope-origin.https.html */
    test('A session has no origin of its own: it belongs to the one where it was registered, port and all', async () => {
      const ann = await registered({ origin: 'https://app.example:8443' });
      expect(ann.browser.sessions[0]?.origin).toBe('https://app.example:8443');
      ann.browser.expireCookie(BOUND_COOKIE);
      await ann.browser.request('https://app.example/vault');
      expect(ann.browser.pathsSince()).toEqual(['/vault']);
      await ann.browser.request('https://app.example:8443/vault');
      expect(ann.browser.pathsSince()).toEqual([REFRESH_PATH, '/vault']);
    });

    /** @see https://wpt.live/device-bound-session-credentials/set-scope-specification.https.html */
    test('All of the host is in scope but the paths of the service itself', async () => {
      const ann = await registered();
      for (const path of [REGISTER_PATH, REFRESH_PATH, '/.stepgate/device']) {
        ann.browser.expireCookie(BOUND_COOKIE);
        await ann.browser.request(`${ORIGIN}${path}`);
      }
      expect(ann.browser.pathsSince()).toEqual([REGISTER_PATH, REFRESH_PATH, '/.stepgate/device']);
      await ann.visit('/.stepgate');
      expect(ann.browser.pathsSince()).toEqual([REFRESH_PATH, '/.stepgate']);
    });

    /** @see https://wpt.live/device-bound-session-credentials/debug-header.https.html */
    test('A browser that skips a refresh says why, and the decision record repeats it', async () => {
      const ann = await registered();
      ann.browser.useUpQuota();
      ann.browser.expireCookie(BOUND_COOKIE);
      const seen = await ann.visit('/vault');
      expect(seen.status).toBe(401);
      expect(reasonsOf(seen)).toEqual(expect.arrayContaining(['unconfirmed', 'quota_exceeded']));
    });
  });

  describe('thieves', () => {
    test('A copied device token without the key is not trusted, whatever traits come with it', async () => {
      const ann = await registered();
      const thief = person();
      thief.browser.setCookie(
        ORIGIN,
        `__Host-stepgate-device=${ann.browser.cookie('__Host-stepgate-device')}; Path=/; Secure`,
      );
      const seen = await thief.visit('/vault');
      expect(seen.status).toBe(401);
      expect(reasonsOf(seen)).toEqual(expect.arrayContaining(['bound', 'unconfirmed']));
    });

    test('A bound cookie of another device, or made up, proves nothing', async () => {
      const ann = await registered();
      const other = await registered({ as: `${subject}-too` });
      for (const value of [other.browser.cookie(BOUND_COOKIE), 'made.up', `${ann.browser.cookie(BOUND_COOKIE)}A`]) {
        ann.browser.setCookie(ORIGIN, `${BOUND_COOKIE}=${value}; Path=/; Secure; HttpOnly; SameSite=Lax`);
        expect((await ann.visit('/vault')).status, String(value)).toBe(401);
        // Nor does it bind the device to that key.
        expect(headerOf(await ann.stepUp(), 'Secure-Session-Registration'), String(value)).not.toBeNull();
      }
    });

    async function codeOf(path: string, headers: { readonly [name: string]: string }): Promise<string> {
      const response = await service.call(path, { method: 'POST', headers });
      const { code, errors } = (await response.json()) as { code: string; errors?: { path: string }[] };
      return `${response.status} ${code} ${errors?.[0]?.path}`;
    }

    /** The headers of the newest call to a path of the service. */
    function sentTo(browser: FakeBrowser, path: string): { readonly [name: string]: string } {
      const call = browser.sent.findLast(({ url }) => new URL(url).pathname === path);
      if (call === undefined) throw new Error(`nothing was sent to ${path}`);
      return call.headers;
    }

    test('A registration that was answered is refused the second time', async () => {
      const ann = await registered();
      const cookie = `__Host-stepgate-device=${ann.browser.cookie('__Host-stepgate-device')}`;
      const replayed = { ...sentTo(ann.browser, REGISTER_PATH), cookie };
      expect(await codeOf(REGISTER_PATH, replayed)).toBe('400 device_session_refused challenge_spent');
    });

    test('A refresh that was answered brings another challenge the second time, and no cookie', async () => {
      const ann = await registered();
      ann.browser.expireCookie(BOUND_COOKIE);
      await ann.visit('/vault');
      const replayed = await service.call(REFRESH_PATH, { method: 'POST', headers: sentTo(ann.browser, REFRESH_PATH) });
      expect(replayed.status).toBe(403);
      expect(replayed.headers.get('Secure-Session-Challenge')).toContain(`;id="${ann.browser.sessions[0]?.id}"`);
      expect(replayed.headers.getSetCookie()).toEqual([]);
    });

    test('A session of another device is refused, and so is one without the device token', async () => {
      const ann = await registered();
      const bob = await registered({ as: `${subject}-too` });
      const own = `__Host-stepgate-device=${ann.browser.cookie('__Host-stepgate-device')}`;
      const foreign = { 'sec-secure-session-id': bob.browser.sessions[0]?.id ?? '' };
      expect(await codeOf(REFRESH_PATH, { ...foreign, cookie: own })).toBe(
        '400 device_session_refused device_mismatch',
      );
      expect(await codeOf(REFRESH_PATH, foreign)).toBe('400 device_session_refused device_token_missing');
    });

    test('An invitation of one subject cannot be used with the device token of another', async () => {
      const ann = person();
      const bob = await registered({ as: `${subject}-too` });
      const paid = await ann.stepUp();
      expect(headerOf(paid, 'Secure-Session-Registration')).not.toBeNull();
      const cookie = `__Host-stepgate-device=${bob.browser.cookie('__Host-stepgate-device')}`;
      expect(await codeOf(REGISTER_PATH, { ...sentTo(ann.browser, REGISTER_PATH), cookie })).toBe(
        '400 device_session_refused device_mismatch',
      );
    });

    test('Calls that show nothing are refused with a code', async () => {
      expect(await codeOf(REGISTER_PATH, {})).toBe('400 device_session_refused response_missing');
      expect(await codeOf(REGISTER_PATH, { 'secure-session-response': 'x' })).toBe(
        '400 device_session_refused response_malformed',
      );
      expect(await codeOf(REGISTER_PATH, { 'secure-session-response': 'x'.repeat(5000) })).toBe(
        '400 device_session_refused response_too_long',
      );
      expect(await codeOf(REFRESH_PATH, {})).toBe('400 device_session_refused session_unknown');
      expect(await codeOf(REFRESH_PATH, { 'sec-secure-session-id': 'made.up' })).toBe(
        '400 device_session_refused session_unknown',
      );
    });
  });

  describe('people', () => {
    test('Two people of one browser share its key: the second is bound to it without another registration', async () => {
      const ann = await registered();
      const bob = person({ as: `${subject}-too`, browser: ann.browser });
      await bob.stepUp();
      expect(ann.browser.sessions).toHaveLength(1);
      expect((await bob.visit('/vault')).status).toBe(200);
      expect((await ann.visit('/vault')).status).toBe(200);
      ann.browser.expireCookie(BOUND_COOKIE);
      expect((await bob.visit('/vault')).status).toBe(200);
      expect((await ann.visit('/vault')).status).toBe(200);
    });

    test('Someone whose browser lost its session is asked once, and bound to the next key', async () => {
      const ann = await registered({ answers: { '/bye': { 'Clear-Site-Data': '"storage"' } } });
      await ann.visit('/bye');
      ann.browser.expireCookie(BOUND_COOKIE);
      expect((await ann.visit('/vault')).status).toBe(401);
      await ann.stepUp();
      expect(ann.browser.sessions).toHaveLength(1);
      const seen = await ann.visit('/vault');
      expect(seen.status).toBe(200);
      expect(reasonsOf(seen)).toContain('bound');
    });

    test.each([TRAITS, null])(
      'Someone whose browser does not register after that is trusted by the token again (traits: %s)',
      async (traits) => {
        const ann = await registered({ answers: { '/bye': { 'Clear-Site-Data': '"storage"' } } });
        await ann.visit('/bye');
        const token = ann.browser.cookie('__Host-stepgate-device');
        const network = applicationBehind({ call: service.call, key: service.key });
        const plain = fakeBrowser({
          now: service.now,
          network: async (request) => {
            const answer = await network(request);
            return { ...answer, headers: answer.headers.filter(([name]) => name !== 'secure-session-registration') };
          },
        });
        plain.setCookie(ORIGIN, `__Host-stepgate-device=${token}; Path=/; Secure`);
        const later = person({ browser: plain });
        expect((await later.visit('/vault')).status).toBe(401);
        await later.stepUp(traits);
        const seen = await later.visit('/vault');
        expect(seen.status).toBe(200);
        expect(reasonsOf(seen)).not.toContain('bound');
      },
    );
  });
}
