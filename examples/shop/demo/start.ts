import { hash, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getRequestListener } from '@hono/node-server';
import { createStepgateClient, type StepgateClient } from '@stepgate/sdk';
import { type Assets, buildAssets } from '../assets.ts';
import { type Accounts, openAccounts } from '../provider/accounts.ts';
import { CLASSES } from '../provider/classes.ts';
import { openProvider, SIGNED_WITH } from '../provider/openid.ts';
import { signInApp } from '../provider/sign-in.ts';
import { shopApp } from '../shop/app.ts';
import { openCustomers } from '../shop/customers.ts';
import { openIdClient } from '../shop/openid-client.ts';
import { gatewayProtection } from '../shop/protection-gateway.ts';
import { middlewareProtection } from '../shop/protection-middleware.ts';
import { openSessions, TOKEN_COOKIE } from '../shop/session.ts';
import { shopStepgate } from '../shop/stepgate.ts';
import { type Caddy, startCaddy } from './caddy.ts';
import { controlsApp, type Loot, panelHtml } from './controls.ts';
import type { DecisionRecord } from './decision-record.ts';
import { type Feed, type Origin, openFeed, recordTeller } from './feed.ts';
import { type Front, startFront } from './front.ts';
import { LISTED, PLACES } from './places.ts';
import { buildLists, startStepgate } from './stepgate.ts';
import { thiefDisguise } from './thief.ts';

/** How the shop is protected: it asks Stepgate itself, or Caddy asks in front of it. */
export type Variant = 'middleware' | 'gateway';

export interface Demo {
  /** URL of the guide. */
  readonly guide: string;
  readonly shop: string;
  readonly thief: string;
  readonly feed: Feed;
  /** Restores the initial state: no log-ins, no passkeys, no orders, nothing learned. */
  startOver(): Promise<void>;
  stop(): Promise<void>;
}

/** The page with a customer's own devices lists them and ends their trust. */
const SHOP_RIGHTS = ['check', 'events', 'subjects.read', 'subjects.erase'];

export const PEOPLE = [
  {
    id: 'u-1f0c',
    userName: 'ada',
    plainPassword: 'tea-and-kettles',
    name: 'Ada Quay',
    email: 'ada@kettle.example',
    role: 'customer',
  },
  {
    id: 'u-7b42',
    userName: 'grace',
    plainPassword: 'leaves-and-ledgers',
    name: 'Grace Leaf',
    email: 'grace@kettle.example',
    role: 'administrator',
  },
] as const;

const RULES_DIR = join(import.meta.dirname, '../rules');
const LOOPBACK = '127.0.0.1/32';

/**
 * Starts everything on free ports of loopback: Stepgate with the in-memory store, the provider, the shop, Caddy if requested, and a
 * front for each part that browsers reach. `stop` ends all of it.
 */
export async function startDemo(variant: Variant): Promise<Demo> {
  const cleanups: (() => Promise<unknown>)[] = [];
  const stop = async (): Promise<void> => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  };
  try {
    return { ...(await startParts(variant, (cleanup) => cleanups.push(cleanup))), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startParts(
  variant: Variant,
  onStop: (cleanup: () => Promise<unknown>) => void,
): Promise<Omit<Demo, 'stop'>> {
  const now = (): number => Date.now();
  const dir = await mkdtemp(join(tmpdir(), 'stepgate-demo-'));
  onStop(() => rm(dir, { recursive: true, force: true }));
  const [siteAssets, panelAssets] = await Promise.all([
    buildAssets(['shop', 'sign-in'], ['site']),
    buildAssets(['panel'], ['panel', 'site']),
    buildLists(join(dir, LISTS_DIR), LISTED),
  ]);

  const feed = openFeed();
  const loot = new Map<string, Loot>();
  const thiefOrigin: { value: string } = { value: '' };
  const secrets = { key: secret(), client: secret(), privacy: secret() };
  let client: StepgateClient | null = null;
  const accounts = await openAccounts(PEOPLE);
  const customers = openCustomers();
  const sessions = openSessions(now);
  const startOver = async (): Promise<void> => {
    for (const part of [accounts, customers, sessions, feed]) part.reset();
    for (const { id } of PEOPLE) await client?.subjects.erase(id);
  };

  // Fronts first: every other part must know its public address.
  const controlled = async (who: 'you' | 'thief', host: string, shopHost: () => { shop: string; issuer: string }) => {
    let controls: ReturnType<typeof controlsApp> | null = null;
    const front = await startFront({
      who,
      controls: (request) => controls?.fetch(request) ?? new Response('the demo is starting', { status: 503 }),
      panel: panelHtml(who, host === 'localhost'),
      ...(who === 'thief' && { disguise: thiefDisguise(shopHost) }),
    });
    onStop(() => front.close());
    const origin = `http://${host}:${front.port}`;
    controls = controlsApp({
      who,
      origin,
      feed,
      assets: panelAssets,
      loot,
      thiefOrigin: () => thiefOrigin.value,
      variant,
      startOver,
    });
    return { front, origin };
  };
  // Passkeys need a host name, so the shop is at `localhost`; cookies ignore the port, so the thief is at 127.0.0.1.
  const hosts = { shop: '', issuer: '' };
  const shopFront = await controlled('you', 'localhost', () => hosts);
  const issuerFront = await controlled('you', 'localhost', () => hosts);
  const thiefFront = await controlled('thief', '127.0.0.1', () => hosts);
  hosts.shop = shopFront.origin;
  hosts.issuer = issuerFront.origin;
  thiefOrigin.value = thiefFront.origin;

  // Before Stepgate, which fetches its keys at start.
  const providerPort = await startProvider({
    accounts,
    issuer: issuerFront.origin,
    shopOrigin: shopFront.origin,
    clientSecret: secrets.client,
    assets: siteAssets,
    feed,
    client: () => client,
    now,
    onStop,
  });
  issuerFront.front.lead(providerPort);

  const stepgate = await openStepgate({
    dir,
    secrets,
    shop: shopFront.origin,
    issuer: issuerFront.origin,
    feed,
    onStop,
  });
  client = stepgate.client;

  const isGateway = variant === 'gateway';
  const shop = shopApp({
    origin: shopFront.origin,
    issuer: issuerFront.origin,
    openId: openIdClient({
      issuer: issuerFront.origin,
      clientId: 'shop',
      clientSecret: secrets.client,
      redirectUri: `${shopFront.origin}/callback`,
      api: shopFront.origin,
      now,
    }),
    sessions,
    customers,
    assets: siteAssets,
    protection: isGateway
      ? gatewayProtection()
      : middlewareProtection({
          client,
          watchingClient: createStepgateClient({ url: stepgate.url, key: secrets.key, onFailure: 'allow' }),
          trustedProxies: LOOPBACK,
        }),
    stepgate: shopStepgate(client),
    tokenCookie: isGateway ? TOKEN_COOKIE : null,
    now,
  });
  const shopPort = await listen(getRequestListener(shop.fetch), onStop);
  let before = shopPort;
  if (isGateway) {
    const caddy: Caddy = await startCaddy({
      dir,
      appPort: shopPort,
      stepgateUrl: stepgate.url,
      stepgateKey: secrets.key,
    });
    onStop(() => caddy.stop());
    before = caddy.port;
  }
  for (const front of [shopFront.front, thiefFront.front] satisfies Front[]) front.lead(before);

  return { guide: `${shopFront.origin}/demo`, shop: shopFront.origin, thief: thiefFront.origin, feed, startOver };
}

const LISTS_DIR = 'lists';

interface StepgateParts {
  readonly dir: string;
  readonly secrets: { readonly key: string; readonly privacy: string };
  readonly shop: string;
  readonly issuer: string;
  readonly feed: Feed;
  readonly onStop: (cleanup: () => Promise<unknown>) => void;
}

/** Starts Stepgate and publishes its decisions on the feed. */
async function openStepgate(parts: StepgateParts): Promise<{ url: string; client: StepgateClient }> {
  const { feed, secrets } = parts;
  const origins = new Map<string, Origin>();
  const subjects = new Map<string, string>();
  const tell = await recordTeller(join(RULES_DIR, 'shop.json'), (pseudonym) => origins.get(pseudonym));
  /** Until the pseudonyms are known: by the id of the check. */
  const asked = new Map<string, PromiseWithResolvers<DecisionRecord>>();
  const recordOf = (id: string): PromiseWithResolvers<DecisionRecord> => {
    const known = asked.get(id) ?? Promise.withResolvers<DecisionRecord>();
    asked.set(id, known);
    return known;
  };
  let isOpen = false;
  const stepgate = await startStepgate({
    settings: settingsOf(parts),
    onRecord(record) {
      if (!isOpen) return recordOf(record.id).resolve(record);
      feed.publish({ type: 'decision', data: tell(record) });
      const subject = record.subject === null ? undefined : subjects.get(record.subject);
      if (subject !== undefined) setTimeout(() => void tellSightings(feed, client, subject), LEARNED_MS);
    },
  });
  parts.onStop(() => stepgate.stop());
  const client = createStepgateClient({ url: stepgate.url, key: secrets.key });
  // Records contain pseudonyms only, no addresses or ids: one query for each, which counts and teaches nothing, resolves them.
  const recordAbout = async (about: { readonly subject?: string; readonly ip?: string }): Promise<DecisionRecord> => {
    const answer = await client.riskCheck({ action: 'login', dry_run: true, ...about });
    if (answer.failed) throw new Error(`Stepgate gave no answer: ${answer.detail}`);
    return recordOf(answer.id).promise;
  };
  for (const { id } of PEOPLE) {
    const { subject } = await recordAbout({ subject: id });
    if (subject !== null) subjects.set(subject, id);
  }
  for (const place of PLACES) {
    for (const who of ['you', 'thief'] as const) {
      const { address } = await recordAbout({ ip: place.address[who] });
      if (address !== null) origins.set(address, { who, place });
    }
  }
  isOpen = true;
  return { url: stepgate.url, client };
}

function settingsOf({ dir, secrets, shop, issuer }: StepgateParts): { readonly [name: string]: string } {
  return {
    PORT: '0',
    API_KEYS: JSON.stringify({
      version: 1,
      keys: [{ name: 'shop', sha256: hash('sha256', secrets.key), rights: SHOP_RIGHTS }],
    }),
    PRIVACY_KEY: secrets.privacy,
    RULES_DIR,
    IP_LISTS_DIR: join(dir, LISTS_DIR),
    TRUSTED_PROXIES: LOOPBACK,
    SESSION_COOKIE: TOKEN_COOKIE,
    STEP_UP_URL: `${shop}/confirm`,
    STEP_UP_ISSUERS: JSON.stringify([
      {
        preset: 'oidc',
        issuer,
        audience: shop,
        algorithms: [SIGNED_WITH],
        typ: 'at+jwt',
        step_up: { claim: 'su', equals: true },
        acr_order: CLASSES,
      },
    ]),
  };
}

/** Decisions teach after the answer, so the sightings follow a moment later. */
const LEARNED_MS = 60;

async function tellSightings(feed: Feed, client: StepgateClient, subject: string): Promise<void> {
  const stored = await client.subjects.read(subject).catch(() => null);
  const places = (stored?.baseline?.places ?? []).map(({ lat, lon, city, country }) => ({
    lat,
    lon,
    name: city ?? country ?? 'somewhere',
  }));
  feed.publish({ type: 'sightings', data: { places } });
}

interface ProviderParts {
  readonly accounts: Accounts;
  readonly issuer: string;
  readonly shopOrigin: string;
  readonly clientSecret: string;
  readonly assets: Assets;
  readonly feed: Feed;
  readonly client: () => StepgateClient | null;
  readonly now: () => number;
  readonly onStop: (cleanup: () => Promise<unknown>) => void;
}

async function startProvider(parts: ProviderParts): Promise<number> {
  const { issuer, shopOrigin, clientSecret, accounts, assets, feed, client, now, onStop } = parts;
  const provider = await openProvider({
    issuer,
    accounts,
    client: { id: 'shop', secret: clientSecret, redirectUri: `${shopOrigin}/callback` },
    api: shopOrigin,
  });
  const pages = getRequestListener(
    signInApp({
      provider,
      issuer,
      accounts,
      assets,
      shopOrigin,
      now,
      sendCode: ({ email }, code) =>
        feed.publish({ type: 'message', data: { to: email, code, at: new Date(now()).toISOString() } }),
      onFailed: ({ account, step, forwardedFor }) => {
        if (account === null) return;
        client()
          ?.sendEvent({
            type: step === 'code' ? 'step_up.failed' : 'login.failed',
            subject: account.id,
            peer_ip: '127.0.0.1',
            headers: { 'x-forwarded-for': forwardedFor ?? '' },
          })
          .catch((error: unknown) => console.error(error));
      },
    }).fetch,
  );
  const protocol = provider.callback();
  return listen((request, response) => {
    const isPage = /^\/(?:sign-in|assets)\//.test(request.url ?? '');
    void (isPage ? pages(request, response) : protocol(request, response));
  }, onStop);
}

async function listen(
  listener: Parameters<typeof createServer>[1],
  onStop: (cleanup: () => Promise<unknown>) => void,
): Promise<number> {
  const server: Server = createServer(listener);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  onStop(async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  });
  return (server.address() as AddressInfo).port;
}

function secret(): string {
  return randomBytes(36).toString('base64url');
}
