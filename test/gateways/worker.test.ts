import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createRequire, stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { z } from 'zod';
import { freePort } from '../servers/redis.ts';
import { startProgram } from './programs.ts';
import { type Gateway, play, SCENARIOS } from './scenarios.ts';
import { GATEWAY_KEY, openStage, type Stage } from './stage.ts';
import { gatewaySuite, listeningGateway } from './suite.ts';

const EXAMPLE = join(import.meta.dirname, '../../examples/cloudflare-worker');
/** The program itself: npm's wrapper would not hand a signal on to it. */
const WORKERD = z.object({ default: z.string() }).parse(createRequire(import.meta.url)('workerd')).default;
/** As wrangler.toml says. */
const SETTINGS = { TRUSTED_PROXIES: 'hops:1', CLIENT_IP_HEADER: 'x-forwarded-for' };

/**
 * What Cloudflare does before a Worker is asked: it writes the client's address over whatever a client sent. Here the address
 * comes with its port.
 *
 * @see https://developers.cloudflare.com/fundamentals/reference/http-headers/#cf-connecting-ip
 */
const EDGE = `export default {
  fetch(request, env) {
    const headers = new Headers(request.headers);
    headers.set('cf-connecting-ip', request.cf.clientIp.replace(/:[0-9]+$/, ''));
    return env.GATEWAY.fetch(new Request(request, { headers }));
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
  let gateway: (Gateway & { close(): Promise<void> }) | undefined;

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
    'stands before the origin server: $title',
    async (scenario) => {
      if (gateway === undefined) throw new Error('workerd did not start');
      await play(stage, gateway, 'run', scenario);
    },
  );
});

/** Runs the example with the bindings of wrangler.toml, which lead to addresses here. The Worker has no other way out. */
async function openWorkerd(stage: Stage, app: 'binding' | 'origin'): Promise<Gateway & { close(): Promise<void> }> {
  const port = await freePort();
  const config = join(stage.dir, 'workerd.capnp');
  const date = compatibilityDate();
  const wayToApp = {
    binding: { bindings: '(name = "APP", service = "app")', globalOutbound: 'nowhere' },
    origin: { bindings: '', globalOutbound: 'app' },
  }[app];
  await writeFile(join(stage.dir, 'edge.js'), EDGE);
  await writeFile(
    join(stage.dir, 'gateway.js'),
    stripTypeScriptTypes(readFileSync(join(EXAMPLE, 'gateway.ts'), 'utf8')),
  );
  await writeFile(
    config,
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "edge")],
  services = [
    (name = "edge", worker = (
      modules = [(name = "edge.js", esModule = embed "edge.js")],
      compatibilityDate = "${date}",
      bindings = [(name = "GATEWAY", service = "gateway")],
    )),
    (name = "gateway", worker = (
      modules = [(name = "gateway.js", esModule = embed "gateway.js")],
      compatibilityDate = "${date}",
      bindings = [
        (name = "STEPGATE", service = "stepgate"),
        (name = "STEPGATE_KEY", text = "${GATEWAY_KEY}"),
        ${wayToApp.bindings}
      ],
      globalOutbound = "${wayToApp.globalOutbound}",
    )),
    (name = "stepgate", external = (address = "127.0.0.1:${stage.enginePort}", http = ())),
    (name = "nowhere", network = (allow = [])),
    (name = "app", external = (address = "${stage.upstream.address}", http = ())),
  ],
);
`,
  );
  const workerd = await startProgram(WORKERD, ['serve', config], { port, cwd: stage.dir });
  return { ...listeningGateway(stage, port), close: () => workerd.stop() };
}

/** The date in wrangler.toml, by which the runtime behaves here as it does where this is deployed. */
function compatibilityDate(): string {
  const date = /^compatibility_date = "([\d-]+)"$/m.exec(readFileSync(join(EXAMPLE, 'wrangler.toml'), 'utf8'))?.[1];
  if (date === undefined) throw new Error('wrangler.toml has no compatibility_date');
  return date;
}
