import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { REFRESH_PATH, REGISTER_PATH } from '../../../src/contract/device-session.ts';
import { gatewaySuite, listedHeaders, shapedGateway } from '../../contract/gateways/suite.ts';
import { HOST } from '../../support/gateways/client.ts';
import { GATEWAY_KEY } from '../../support/gateways/stage.ts';

const example = readFileSync(join(import.meta.dirname, '../../../examples/traefik/dynamic.yaml'), 'utf8');
/** `authRequestHeaders` of the example; the key and the wish for redirects are set by its first middleware. */
const LISTED = [...(/authRequestHeaders:\n([\s\S]*?)authResponse/.exec(example)?.[1] ?? '').matchAll(/- (\S+)/g)]
  .map(([, name = '']) => name.toLowerCase())
  .filter((name) => name !== 'x-stepgate-key' && name !== 'x-stepgate-redirect');

/**
 * Traefik asks by GET, takes the listed headers from the client and then sets `X-Forwarded-*` from the request itself. Hop-by-hop
 * headers, those of a websocket handshake among them, are taken out first.
 *
 * @see https://doc.traefik.io/traefik/reference/routing-configuration/http/middlewares/forwardauth/
 * @see https://github.com/traefik/traefik/blob/master/pkg/middlewares/auth/forward.go
 * @see https://github.com/traefik/traefik/issues/3660
 * @see https://github.com/traefik/traefik/pull/3907
 */
describe('requests of the shape that Traefik sends with examples/traefik', () => {
  gatewaySuite({
    id: 'traefik',
    how: 'shape',
    // Traefik answers it before Stepgate is asked.
    cannotShow: ['options-body'],
    open: async (stage) => ({
      ...shapedGateway(stage, (request) => ({
        method: 'GET',
        target: '/forward-auth',
        headers: [
          ...listedHeaders(request, LISTED),
          ['X-Stepgate-Key', GATEWAY_KEY],
          ['X-Stepgate-Redirect', '1'],
          ['X-Forwarded-For', request.from],
          ['X-Forwarded-Method', request.method],
          ['X-Forwarded-Proto', request.websocket ? 'ws' : 'http'],
          ['X-Forwarded-Host', HOST],
          ['X-Forwarded-Uri', goRequestUri(request.target)],
          ['Accept-Encoding', 'gzip'],
        ],
      })),
      close: async () => undefined,
    }),
  });
});

test('Traefik with examples/traefik hands the two paths of device bound sessions on, exactly as written, and does not ask about them', () => {
  const router = /\n {4}device-sessions:\n([\s\S]*?)\n {4}(?:#|\w)/.exec(example)?.[1] ?? '';
  expect(router).toContain(`rule: Path(\`${REGISTER_PATH}\`) || Path(\`${REFRESH_PATH}\`)`);
  expect(router).toContain('middlewares: [stepgate-after]');
  expect(router).toContain('service: stepgate');
});

/** The path of an absolute target, with what Go's `URL.RequestURI` escapes. */
function goRequestUri(target: string): string {
  return target
    .replace(/^http:\/\/[^/]+/, '')
    .replaceAll('\\', '%5C')
    .replaceAll('#', '%23');
}
