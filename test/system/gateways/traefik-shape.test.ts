import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from 'vitest';
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

/** The path of an absolute target, with what Go's `URL.RequestURI` escapes. */
function goRequestUri(target: string): string {
  return target
    .replace(/^http:\/\/[^/]+/, '')
    .replaceAll('\\', '%5C')
    .replaceAll('#', '%23');
}
