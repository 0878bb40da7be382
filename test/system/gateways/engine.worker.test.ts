import { describe } from 'vitest';
import { gatewaySuite, shapedGateway } from '../../contract/gateways/suite.ts';
import { HOST, sentHeaders } from '../../support/gateways/client.ts';
import { GATEWAY_KEY } from '../../support/gateways/stage.ts';

/** What every gateway has to write itself, whatever a client sent under these names. */
const OVERWRITTEN =
  /^(?:host|content-length|forwarded|x-real-ip|x-forwarded-.*|x-stepgate-(?:key|redirect|has-body))$/i;

/**
 * Everything else that a client sent is told too, a websocket handshake and headers of the engine's own names among it.
 *
 * @see https://github.com/thomseddon/traefik-forward-auth/pull/353
 * @see https://github.com/caddyserver/caddy/issues/5430
 */
describe.each([
  { runtime: 'node' },
  // A bare workerd does not say who is at the other end of a connection.
  { runtime: 'workerd', settings: { TRUSTED_PROXIES: 'hops:1', CLIENT_IP_HEADER: 'x-forwarded-for' } },
] as const)('the engine on $runtime, asked without a gateway', (engine) => {
  gatewaySuite({
    id: 'engine',
    how: 'direct',
    ...engine,
    open: async (stage) => ({
      ...shapedGateway(stage, (request) => ({
        method: request.method === 'HEAD' ? 'HEAD' : 'GET',
        target: '/forward-auth',
        headers: [
          ...sentHeaders(request).filter(([name]) => !OVERWRITTEN.test(name)),
          ['X-Stepgate-Key', GATEWAY_KEY],
          ['X-Stepgate-Redirect', '1'],
          ['X-Stepgate-Has-Body', request.body === '' ? '0' : '1'],
          ['X-Forwarded-Method', request.method],
          ['X-Forwarded-Uri', request.target],
          ['X-Forwarded-Proto', 'http'],
          ['X-Forwarded-Host', HOST],
          ['X-Forwarded-For', request.from],
        ],
      })),
      close: async () => undefined,
    }),
  });
});
