import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { gatewaySuite, listeningGateway } from '../../contract/gateways/suite.ts';
import { GATEWAY_KEY, openStage, type Stage } from '../../support/gateways/stage.ts';
import { freePort } from '../../support/servers/listen.ts';
import type { Program } from '../../support/servers/program.ts';

const EXAMPLE = join(import.meta.dirname, '../../../examples/nginx/nginx.conf');

async function startNginx(stage: Stage, port: number, template: string): Promise<Program> {
  const values: { readonly [name: string]: string } = {
    LISTEN_ADDR: `127.0.0.1:${port}`,
    APP_ADDR: stage.upstream.address,
    STEPGATE_ADDR: `127.0.0.1:${stage.enginePort}`,
    STEPGATE_KEY: GATEWAY_KEY,
  };
  const file = join(stage.dir, 'nginx.conf');
  // What envsubst does with a list of names.
  await writeFile(
    file,
    template.replace(/\$\{([A-Z_]+)\}/g, (words, name: string) => values[name] ?? words),
  );
  const own = `daemon off; pid ${join(stage.dir, 'nginx.pid')}; error_log stderr warn;`;
  // It opens /dev/stdout by its name, which Node's pipes do not take: they are sockets.
  const piped = ['-c', 'exec nginx "$@" > >(cat)', 'nginx', '-p', stage.dir, '-c', file, '-g', own];
  return stage.start('bash', piped, { ready: port });
}

describe('nginx with examples/nginx/nginx.conf', () => {
  gatewaySuite({
    id: 'nginx',
    how: 'run',
    open: async (stage) => {
      const port = await freePort();
      const nginx = await startNginx(stage, port, await readFile(EXAMPLE, 'utf8'));
      return { ...listeningGateway(stage, port), close: async () => void (await nginx.stop()) };
    },
  });

  /** @see https://github.com/TecharoHQ/anubis/issues/472 */
  test.each(['/v1/risk-check', '/healthz', '/metrics', '/'])(
    'Nginx with examples/nginx/nginx.conf refuses all where auth_request asks %s',
    async (path) => {
      const stage = await openStage();
      const port = await freePort();
      const wrong = (await readFile(EXAMPLE, 'utf8')).replace('http://stepgate/forward-auth', `http://stepgate${path}`);
      const nginx = await startNginx(stage, port, wrong);
      const answer = await listeningGateway(stage, port).send({
        method: 'GET',
        target: '/public/a',
        headers: [],
        body: '',
        from: '127.0.0.2',
        websocket: false,
      });
      await nginx.stop();
      await stage.close();
      expect([403, 503]).toContain(answer.status);
      expect(answer.arrivals).toEqual([]);
    },
  );
});
