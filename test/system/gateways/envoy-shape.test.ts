import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { REFRESH_PATH, REGISTER_PATH } from '../../../src/contract/device-session.ts';
import { gatewaySuite, listedHeaders, shapedGateway } from '../../contract/gateways/suite.ts';
import { GATEWAY_KEY } from '../../support/gateways/stage.ts';

const example = readFileSync(join(import.meta.dirname, '../../../examples/envoy/envoy.yaml'), 'utf8');
/** `allowed_headers` of the example, and what Envoy tells in any case; but those that it sets itself. */
const ALLOWED = [
  ...['host', 'authorization'],
  ...[...(/allowed_headers:\n([\s\S]*?)http_service/.exec(example)?.[1] ?? '').matchAll(/exact: ([a-z-]+)/g)].map(
    ([, name = '']) => name,
  ),
].filter((name) => !['x-real-ip', 'x-forwarded-proto', 'x-request-id', 'x-stepgate-has-body'].includes(name));

/**
 * Envoy asks with method and path of the request behind `path_prefix`, an empty body, the allowed headers, and an
 * `X-Forwarded-For` of its own hop. Its answers to failures (`status_on_error`) are its own and are not shown here.
 *
 * @see https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/http/ext_authz/v3/ext_authz.proto
 * @see https://github.com/envoyproxy/envoy/issues/21519
 * @see https://github.com/envoyproxy/envoy/issues/38927
 */
describe('requests of the shape that Envoy sends with examples/envoy', () => {
  gatewaySuite({
    id: 'envoy',
    how: 'shape',
    settings: { CLIENT_IP_HEADER: 'x-real-ip' },
    open: async (stage) => ({
      ...shapedGateway(stage, (request) => ({
        method: request.method,
        target: `/ext-authz${request.target.replace(/^http:\/\/[^/]+/, '')}`,
        headers: [
          ...listedHeaders(request, ALLOWED),
          ['content-length', '0'],
          ['x-stepgate-key', GATEWAY_KEY],
          ['x-stepgate-has-body', request.method === 'OPTIONS' && request.body === '' ? '0' : '1'],
          ['x-stepgate-redirect', '1'],
          ['x-real-ip', request.from],
          ['x-forwarded-proto', 'http'],
          ['x-request-id', crypto.randomUUID()],
          ['x-envoy-internal', 'true'],
          ['x-forwarded-for', '127.0.0.1'],
          ['x-envoy-expected-rq-timeout-ms', '500'],
        ],
      })),
      close: async () => undefined,
    }),
  });
});

test.each([REGISTER_PATH, REFRESH_PATH])(
  'Envoy with examples/envoy hands %s on, exactly as written, and does not ask about it',
  (path) => {
    const [, route = ''] = example.split(`- match: { path: ${path} }\n`);
    expect(route).toMatch(/^ +route: \{ cluster: stepgate \}\n +typed_per_filter_config: [&*]unasked\n/);
    expect(example).toMatch(/&unasked\n +envoy\.filters\.http\.ext_authz:\n.*ExtAuthzPerRoute\n +disabled: true/);
  },
);
