import { randomBytes } from 'node:crypto';
import { type Context, Hono } from 'hono';
import { deleteCookie, getCookie, setCookie } from 'hono/cookie';
import { csrf } from 'hono/csrf';
import { html } from 'hono/html';
import { streamSSE } from 'hono/streaming';
import { type Assets, assetRoutes } from '../assets.ts';
import { pageHeaders } from '../page-headers.ts';
import { SESSION_COOKIE, TOKEN_COOKIE } from '../shop/session.ts';
import { themeOf } from '../theme.ts';
import type { Feed } from './feed.ts';
import type { FeedEvent } from './feed-event.ts';
import { guidePage, stuckPage } from './guide.ts';
import { PLACE_COOKIE, PLACES, placeNamed, type Who } from './places.ts';

/** What the thief copies from your browser. */
export interface Loot {
  /** Session cookies by name. */
  readonly session: readonly (readonly [name: string, value: string])[];
  readonly device: string | null;
}

/** Shared by the controls of both browsers. */
export interface ControlsOptions {
  readonly who: Who;
  /** Under which browsers reach the front of these controls. */
  readonly origin: string;
  readonly feed: Feed;
  readonly assets: Assets;
  /** By a one-time code. */
  readonly loot: Map<string, Loot>;
  /** Address of the thief's browser. */
  readonly thiefOrigin: () => string;
  readonly variant: 'middleware' | 'gateway';
  /** Resets the whole demo. */
  readonly startOver: () => Promise<void>;
}

const DEVICE_COOKIE = '__Host-stepgate-device';
const PROOF_COOKIE = '__Host-stepgate-su';

/**
 * Routes of the demo under `/demo/…` of every front: the panel, live decisions, switches. Not part of the shop.
 */
export function controlsApp(options: ControlsOptions): Hono {
  const { who, origin, feed, assets, loot, thiefOrigin, variant, startOver } = options;
  const app = new Hono();
  app.use(pageHeaders());
  app.use(csrf({ origin }));
  app.route('/demo', assetRoutes(assets));

  app.get('/demo', (c) => c.html(guidePage(themeOf(c), variant)));

  app.get('/demo/feed', (c) =>
    streamSSE(c, async (stream) => {
      const waiting: FeedEvent[] = [...feed.recent(), { type: 'live', data: null }];
      let wake = (): void => undefined;
      const unfollow = feed.follow((event) => {
        waiting.push(event);
        wake();
      });
      stream.onAbort(() => {
        unfollow();
        wake();
      });
      while (!stream.aborted) {
        const event = waiting.shift();
        if (event !== undefined) await stream.writeSSE({ event: event.type, data: JSON.stringify(event.data) });
        else
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
      }
    }),
  );

  app.post('/demo/place', async (c) => {
    const form = await c.req.formData();
    setCookie(c, PLACE_COOKIE, placeNamed(String(form.get('place'))).id, { path: '/', sameSite: 'Lax' });
    return c.body(null, 204);
  });

  app.post('/demo/clear-device', (c) => {
    deleteCookie(c, DEVICE_COOKIE, { path: '/', secure: true });
    return c.body(null, 204);
  });

  app.post('/demo/start-over', async (c) => {
    await startOver();
    for (const name of [DEVICE_COOKIE, PROOF_COOKIE]) deleteCookie(c, name, { path: '/', secure: true });
    return c.redirect('/demo', 303);
  });

  if (who === 'you') {
    app.post('/demo/steal', async (c) => {
      const session = [SESSION_COOKIE, TOKEN_COOKIE].flatMap((name) => {
        const value = getCookie(c, name);
        return value === undefined ? [] : [[name, value] as const];
      });
      if (session.length === 0)
        return c.json({ message: 'There is no session to copy: open the shop and log in.' }, 409);
      const form = await c.req.formData();
      const device = form.get('with_device') === null ? null : (getCookie(c, DEVICE_COOKIE) ?? null);
      const code = randomBytes(12).toString('base64url');
      loot.set(code, { session, device });
      return c.json({ location: `${thiefOrigin()}/demo/arrive/${code}` });
    });
  } else {
    app.get('/demo/arrive/:code', (c) => {
      const taken = loot.get(c.req.param('code'));
      loot.delete(c.req.param('code'));
      if (taken !== undefined) {
        for (const [name, value] of taken.session) plant(c, name, value);
        if (taken.device === null) deleteCookie(c, DEVICE_COOKIE, { path: '/', secure: true });
        else plant(c, DEVICE_COOKIE, taken.device);
        setCookie(c, PLACE_COOKIE, 'sao-paulo', { path: '/', sameSite: 'Lax' });
      }
      return c.redirect('/basket', 303);
    });
    app.get('/demo/stuck', (c) => c.html(stuckPage(themeOf(c))));
  }
  return app;
}

function plant(c: Context, name: string, value: string): void {
  setCookie(c, name, value, { path: '/', secure: true, httpOnly: true, sameSite: 'Lax' });
}

/** The panel before its script has run; put into every page by the front. */
export function panelHtml(who: Who, hasThief: boolean): string {
  const places = PLACES.map(
    (place) =>
      html`<label><input type="radio" name="place" value="${place.id}" /><span><b>${place.name}</b> ${place.hint}</span></label>`,
  );
  return String(html`<link rel="stylesheet" href="/demo/assets/panel.css" />
    <aside id="demo-panel" class="demo-panel" data-who="${who}" aria-label="Demo controls">
      <button type="button" class="demo-bar" aria-expanded="false" aria-controls="demo-body">
        <span class="demo-label">${who === 'you' ? 'Demo controls' : 'The thief’s browser'}</span>
        <span class="demo-summary" data-summary>waiting</span>
      </button>
      <div id="demo-body" class="demo-body">
        <p class="demo-note">
          ${who === 'you' ? 'Not part of the shop. What Stepgate sees and decides, live.' : 'Another machine that holds a copy of your session cookie.'}
        </p>
        <p class="demo-sr" role="status" data-status></p>
        <section class="demo-verdict" aria-labelledby="demo-verdict-title">
          <h2 id="demo-verdict-title">Decision</h2>
          <div class="demo-verdict-row">
            <svg class="demo-gauge" viewBox="0 0 120 70" data-gauge role="img" aria-label="Score: none yet">
              <path class="track" d="M12 62a48 48 0 0 1 96 0" pathLength="100" />
              <path class="value" d="M12 62a48 48 0 0 1 96 0" pathLength="100" />
              <path class="mark" d="M12 62a48 48 0 0 1 96 0" pathLength="100" />
              <text x="60" y="60" text-anchor="middle" data-score>–</text>
            </svg>
            <div>
              <p class="demo-decision" data-word>none yet</p>
              <p class="demo-action" data-action>open a page of the shop</p>
            </div>
          </div>
          <p class="demo-rule" data-rule></p>
          <ul class="demo-reasons" data-reasons></ul>
        </section>
        <section aria-labelledby="demo-map-title">
          <h2 id="demo-map-title">Sightings</h2>
          <svg class="demo-map" viewBox="0 0 320 164" data-map role="img" aria-label="World map: no visits yet"></svg>
          <p class="demo-travel" data-travel>No journey to measure yet.</p>
        </section>
        <section aria-labelledby="demo-place-title">
          <h2 id="demo-place-title">${who === 'you' ? 'You are in' : 'The thief is in'}</h2>
          <form class="demo-places" data-places>${places}</form>
        </section>
        ${
          hasThief
            ? html`<section aria-labelledby="demo-thief-title">
                <h2 id="demo-thief-title">Play the thief</h2>
                <div class="demo-buttons">
                  <button type="button" data-steal>Copy the session to the thief’s browser</button>
                  <label class="demo-check"><input type="checkbox" data-with-device /> with the device token</label>
                  <a href="#" data-thief target="_blank" rel="noopener" hidden>Open the thief’s browser ↗</a>
                </div>
              </section>
              <section aria-labelledby="demo-self-title">
                <h2 id="demo-self-title">This browser</h2>
                <div class="demo-buttons">
                  <button type="button" data-clear>Clear its device token</button>
                  <form method="post" action="/demo/start-over"><button>Start the demo over</button></form>
                </div>
              </section>`
            : ''
        }
        ${
          who === 'you'
            ? html`<section aria-labelledby="demo-inbox-title">
                <h2 id="demo-inbox-title">Inbox</h2>
                <ul class="demo-inbox" data-inbox><li class="demo-empty">No messages.</li></ul>
              </section>`
            : ''
        }
        <section aria-labelledby="demo-signals-title">
          <h2 id="demo-signals-title">Signals</h2>
          <div class="demo-signals" data-signals></div>
        </section>
        <section aria-labelledby="demo-log-title">
          <h2 id="demo-log-title">Lately</h2>
          <ol class="demo-log" data-log></ol>
        </section>
      </div>
    </aside>
    <script type="module" src="/demo/assets/panel.js"></script>`);
}
