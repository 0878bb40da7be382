import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { gatewaySuite, listeningGateway } from '../../contract/gateways/suite.ts';
import { send } from '../../support/gateways/client.ts';
import { GATEWAY_KEY } from '../../support/gateways/stage.ts';
import { freePort } from '../../support/servers/listen.ts';
import { type Program, startProgram } from '../../support/servers/program.ts';

const EXAMPLES = join(import.meta.dirname, '../../../examples/haproxy');

interface Addresses {
  readonly dir: string;
  readonly port: number;
  readonly app: string;
  readonly engine: string;
  readonly lua: string;
}

function startHaproxy({ dir, port, app, engine, lua }: Addresses): Promise<Program> {
  return startProgram('haproxy', ['-f', join(EXAMPLES, 'haproxy.cfg')], {
    ready: port,
    cwd: dir,
    env: {
      PATH: process.env.PATH,
      LISTEN_ADDR: `127.0.0.1:${port}`,
      APP_ADDR: app,
      STEPGATE_ADDR: engine,
      STEPGATE_KEY: GATEWAY_KEY,
      STEPGATE_LUA: lua,
      STEPGATE_SOCKET: join(dir, 'stepgate.sock'),
    },
  });
}

describe('HAProxy with examples/haproxy/haproxy.cfg', () => {
  gatewaySuite({
    id: 'haproxy',
    how: 'run',
    open: async (stage) => {
      const port = await freePort();
      const haproxy = await startHaproxy({
        dir: stage.dir,
        port,
        app: stage.upstream.address,
        engine: `127.0.0.1:${stage.enginePort}`,
        lua: join(EXAMPLES, 'stepgate.lua'),
      });
      return { ...listeningGateway(stage, port), close: async () => void (await haproxy.stop()) };
    },
  });

  test('HAProxy with examples/haproxy/haproxy.cfg refuses all where the Lua action fails', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'stepgate-gateway-'));
    const lua = join(dir, 'stepgate.lua');
    const sound = await readFile(join(EXAMPLES, 'stepgate.lua'), 'utf8');
    const broken = sound.replace("{ 'http-req' }, function(txn)", "$& error('broken')");
    // Engine and application in one: only a failure of the action itself can keep a request out.
    const server = createServer((_, response) => response.setHeader('X-Stepgate-Decision', 'allow').end());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const statuses: number[] = [];
    for (const text of [sound, broken]) {
      await writeFile(lua, text);
      const port = await freePort();
      const haproxy = await startHaproxy({ dir, port, app: address, engine: address, lua });
      const plain = { method: 'GET', headers: [], body: '', from: '127.0.0.2', websocket: false };
      statuses.push((await send(port, { ...plain, target: '/public/a' })).status);
      await haproxy.stop();
    }
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await rm(dir, { recursive: true });
    expect(statuses).toEqual([200, 503]);
  });
});
