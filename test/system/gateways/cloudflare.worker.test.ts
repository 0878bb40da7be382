import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Gateway, play, SCENARIOS } from '../../contract/gateways/scenarios.ts';
import { gatewaySuite, listeningGateway } from '../../contract/gateways/suite.ts';
import { GATEWAY_KEY, openStage, SCENARIO_RULES, type Stage } from '../../support/gateways/stage.ts';
import { freePort } from '../../support/servers/listen.ts';
import { workerCode } from '../../support/servers/worker.ts';
import { WORKERD, workerStruct } from '../../support/servers/workerd.ts';

const EXAMPLE = join(import.meta.dirname, '../../../examples/cloudflare-worker');
/** As wrangler.toml says. */
const SETTINGS = { TRUSTED_PROXIES: 'hops:1', CLIENT_IP_HEADER: 'x-forwarded-for' };

/**
 * What Cloudflare does before a Worker is asked: it writes the client's address over whatever a client sent, and says where that
 * is. Here the address comes with its port, and a test can name one that has a place.
 *
 * @see https://developers.cloudflare.com/fundamentals/reference/http-headers/#cf-connecting-ip
 */
const EDGE = `export default {
  fetch(request, env) {
    const headers = new Headers(request.headers);
    headers.set('cf-connecting-ip', headers.get('comes-from') ?? request.cf.clientIp.replace(/:[0-9]+$/, ''));
    const cf = { country: 'GB', city: 'Srīperumbūdūr', latitude: '52.20530', longitude: '0.12180' };
    return env.GATEWAY.fetch(new Request(request, { headers, cf }));
  },
};`;

/**
 * A websocket handshake is judged like any other request, here as on Node.
 *
 * @see https://github.com/caddyserver/caddy/issues/5430
 */
describe('the gateway Worker of examples/cloudflare-worker in workerd', () => {
  gatewaySuite({
    id: 'cloudflare-worker',
    how: 'run',
    settings: SETTINGS,
    open: (stage) => openWorkerd(stage, 'binding'),
  });
});

describe('the gateway Worker without the binding APP', () => {
  let stage: Stage;
  let gateway: Opened | undefined;

  beforeAll(async () => {
    stage = await openStage(SETTINGS);
    gateway = await openWorkerd(stage, 'origin');
  });

  afterAll(async () => {
    await gateway?.close();
    await stage?.close();
  });

  const ids = ['allow', 'deny', 'spoofed-stepgate', 'body', 'websocket', 'own-errors', 'stopped'];
  test.each(SCENARIOS.filter(({ id }) => ids.includes(id)))(
    'The gateway Worker without the binding APP stands before the origin server: $title',
    async (scenario) => {
      if (gateway === undefined) throw new Error('workerd did not start');
      await play(stage, gateway, 'run', scenario);
    },
  );
});

/** Scenarios of a running engine; the others stop it, slow it down or replace it. */
const RUNNING = SCENARIOS.filter(({ engine }) => engine === 'running');

describe.each([
  ['Stepgate as a Worker over a service binding', 'bound'],
  ['Stepgate in the same Worker', 'in-process'],
] as const)('the gateway Worker with %s', (_where, engine) => {
  let stage: Stage;
  let gateway: Opened | undefined;

  beforeAll(async () => {
    stage = await openStage({ ...SETTINGS, GEO_FROM_CF: 'on' });
    // Whoever asks the engine of the stage finds nobody.
    await stage.killEngine();
    gateway = await openWorkerd(stage, 'binding', engine);
  });

  afterAll(async () => {
    await gateway?.close();
    await stage?.close();
  });

  test.each(RUNNING)('$title', async (scenario) => {
    if (gateway === undefined) throw new Error('workerd did not start');
    await play(stage, gateway, 'run', scenario);
  });

  /** @see https://github.com/honojs/hono/issues/4432 */
  test('The gateway Worker knows the place of the client by what Cloudflare says of it', async () => {
    const request = { method: 'GET', target: '/public/a', body: '', from: '127.0.0.2', websocket: false };
    const headers = [
      ['X-Request-ID', 'placed'],
      ['Comes-From', '81.2.69.160'],
    ] as const;
    expect((await gateway?.send({ ...request, headers }))?.status).toBe(200);
    const record = () => (gateway?.output() ?? '').split('\n').find((line) => line.includes('"request_id":"placed"'));
    await expect.poll(record).toContain('"geo.city":"Srīperumbūdūr"');
    expect(record()).toContain('"geo.source":"cf"');
  });
});

/** The example in workerd, and what it has printed. */
interface Opened extends Gateway {
  output(): string;
  close(): Promise<void>;
}

/** Runs the example with the bindings of wrangler.toml, which lead to addresses here. The gateway has no other way out. */
async function openWorkerd(
  stage: Stage,
  app: 'binding' | 'origin',
  engine: 'elsewhere' | 'bound' | 'in-process' = 'elsewhere',
): Promise<Opened> {
  const port = await freePort();
  const config = join(stage.dir, 'workerd.capnp');
  const key = `(name = "STEPGATE_KEY", text = "${GATEWAY_KEY}")`;
  const toApp = app === 'binding' ? ['(name = "APP", service = "app")'] : [];
  const outbound = app === 'binding' ? 'nowhere' : 'app';
  const stepgate = {
    elsewhere: () => `external = (address = "127.0.0.1:${stage.enginePort}", http = ())`,
    bound: () => `worker = ${workerStruct('stepgate.js', { vars: stage.variables })}`,
    'in-process': () => 'network = (allow = [])',
  }[engine]();
  const gateway =
    engine === 'in-process'
      ? workerStruct('in-process.js', { vars: stage.variables }, [key, ...toApp])
      : `(
      modules = [(name = "gateway.js", esModule = embed "gateway.js")],
      compatibilityDate = "${compatibilityDate()}",
      bindings = [${['(name = "STEPGATE", service = "stepgate")', key, ...toApp].join(', ')}],
      globalOutbound = "${outbound}",
    )`;
  await writeFile(join(stage.dir, 'edge.js'), EDGE);
  await writeFile(
    join(stage.dir, 'gateway.js'),
    stripTypeScriptTypes(readFileSync(join(EXAMPLE, 'gateway.ts'), 'utf8')),
  );
  if (engine === 'bound') await writeFile(join(stage.dir, 'stepgate.js'), await workerCode(SCENARIO_RULES));
  if (engine === 'in-process') {
    const code = await workerCode(SCENARIO_RULES, 'examples/cloudflare-worker/in-process.toml');
    await writeFile(join(stage.dir, 'in-process.js'), code);
  }
  await writeFile(
    config,
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "edge")],
  services = [
    (name = "edge", worker = (
      modules = [(name = "edge.js", esModule = embed "edge.js")],
      compatibilityDate = "${compatibilityDate()}",
      bindings = [(name = "GATEWAY", service = "gateway")],
    )),
    (name = "gateway", worker = ${gateway}),
    (name = "stepgate", ${stepgate}),
    (name = "network", network = (allow = [])),
    (name = "nowhere", network = (allow = [])),
    (name = "app", external = (address = "${stage.upstream.address}", http = ())),
  ],
);
`,
  );
  const workerd = await stage.start(WORKERD, ['serve', config], { ready: port });
  return { ...listeningGateway(stage, port), output: workerd.output, close: async () => void (await workerd.stop()) };
}

/** The date in wrangler.toml, by which the runtime behaves here as it does where this is deployed. */
function compatibilityDate(): string {
  const date = /^compatibility_date = "([\d-]+)"$/m.exec(readFileSync(join(EXAMPLE, 'wrangler.toml'), 'utf8'))?.[1];
  if (date === undefined) throw new Error('wrangler.toml has no compatibility_date');
  return date;
}
