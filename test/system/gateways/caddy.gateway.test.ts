import { join } from 'node:path';
import { describe } from 'vitest';
import { gatewaySuite, listeningGateway } from '../../contract/gateways/suite.ts';
import { GATEWAY_KEY } from '../../support/gateways/stage.ts';
import { freePort } from '../../support/servers/listen.ts';

describe('Caddy with examples/caddy/Caddyfile', () => {
  gatewaySuite({
    id: 'caddy',
    how: 'run',
    open: async (stage) => {
      const port = await freePort();
      const file = join(import.meta.dirname, '../../../examples/caddy/Caddyfile');
      const caddy = await stage.start('caddy', ['run', '--config', file, '--adapter', 'caddyfile'], {
        ready: port,
        env: {
          SITE: `:${port}`,
          APP_ADDR: stage.upstream.address,
          STEPGATE_ADDR: `127.0.0.1:${stage.enginePort}`,
          STEPGATE_KEY: GATEWAY_KEY,
          XDG_DATA_HOME: stage.dir,
          XDG_CONFIG_HOME: stage.dir,
        },
      });
      return { ...listeningGateway(stage, port), close: async () => void (await caddy.stop()) };
    },
  });
});
