import { join } from 'node:path';
import { describe } from 'vitest';
import { freePort } from '../servers/redis.ts';
import { startProgram } from './programs.ts';
import { GATEWAY_KEY } from './stage.ts';
import { gatewaySuite, listeningGateway } from './suite.ts';

/** @see https://github.com/haproxytech/haproxy-lua-http */
describe('HAProxy with examples/haproxy/haproxy.cfg', () => {
  gatewaySuite({
    id: 'haproxy',
    how: 'run',
    open: async (stage) => {
      const port = await freePort();
      const examples = join(import.meta.dirname, '../../examples/haproxy');
      const haproxy = await startProgram('haproxy', ['-f', join(examples, 'haproxy.cfg')], {
        port,
        cwd: stage.dir,
        environment: {
          LISTEN_ADDR: `127.0.0.1:${port}`,
          APP_ADDR: stage.upstream.address,
          STEPGATE_ADDR: `127.0.0.1:${stage.enginePort}`,
          STEPGATE_KEY: GATEWAY_KEY,
          STEPGATE_LUA: join(examples, 'stepgate.lua'),
          STEPGATE_SOCKET: join(stage.dir, 'stepgate.sock'),
        },
      });
      return { ...listeningGateway(stage, port), close: () => haproxy.stop() };
    },
  });
});
