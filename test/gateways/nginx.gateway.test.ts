import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe } from 'vitest';
import { freePort } from '../servers/redis.ts';
import { startProgram } from './programs.ts';
import { GATEWAY_KEY } from './stage.ts';
import { gatewaySuite, listeningGateway } from './suite.ts';

/**
 * @see https://github.com/nginx/nginx/issues/715
 * @see https://github.com/kubernetes/ingress-nginx/issues/2292
 * @see https://github.com/lsst-sqre/gafaelfawr/pull/665
 * @see https://github.com/oauth2-proxy/oauth2-proxy/issues/1549
 * @see https://github.com/oauth2-proxy/oauth2-proxy/issues/735
 * @see https://github.com/authelia/authelia/issues/3506
 * @see https://github.com/authelia/authelia/issues/939
 * @see https://github.com/TecharoHQ/anubis/issues/472
 */
describe('nginx with examples/nginx/nginx.conf', () => {
  gatewaySuite({
    id: 'nginx',
    how: 'run',
    open: async (stage) => {
      const port = await freePort();
      const values: { readonly [name: string]: string } = {
        LISTEN_ADDR: `127.0.0.1:${port}`,
        APP_ADDR: stage.upstream.address,
        STEPGATE_ADDR: `127.0.0.1:${stage.enginePort}`,
        STEPGATE_KEY: GATEWAY_KEY,
      };
      const template = await readFile(join(import.meta.dirname, '../../examples/nginx/nginx.conf'), 'utf8');
      const file = join(stage.dir, 'nginx.conf');
      // What envsubst does with a list of names.
      await writeFile(
        file,
        template.replace(/\$\{([A-Z_]+)\}/g, (words, name: string) => values[name] ?? words),
      );
      const own = `daemon off; pid ${join(stage.dir, 'nginx.pid')}; error_log stderr warn;`;
      const nginx = await startProgram('nginx', ['-p', stage.dir, '-c', file, '-g', own], { port, cwd: stage.dir });
      return { ...listeningGateway(stage, port), close: () => nginx.stop() };
    },
  });
});
