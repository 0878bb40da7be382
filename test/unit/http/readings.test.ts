import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type GatewayScene, gatewayScene } from '../../support/gateway-scene.ts';
import { scene } from '../../support/scene.ts';

const SHIPPED = JSON.parse(readFileSync(new URL('../../../rules/default.json', import.meta.url), 'utf8'));

describe('behind a gateway with the shipped rules', () => {
  let rig: GatewayScene;
  beforeAll(async () => {
    rig = await gatewayScene({ rules: SHIPPED });
  });
  afterAll(() => rig.close());

  /** @see https://github.com/spring-projects/spring-framework/issues/23915 */
  test.each([
    ['POST', '/api/transfers.json', 'payment.transfer'],
    ['POST', '/api/transfers.json/', 'payment.transfer'],
    ['POST', '/api/transfers.json;v=1', 'payment.transfer'],
    ['GET', '/admin.json', 'admin.any'],
    ['PUT', '/api/pa%C5%BFsword', 'password.change'],
    ['PUT', '/api/%EF%BD%90assword', 'password.change'],
    ['PUT', '/api/password.', 'password.change'],
    ['POST', '/index.php/api/transfers', 'payment.transfer'],
    ['POST', '/api/transfers/index.php', 'payment.transfer'],
    ['POST', '/api/transfers.php/x', 'payment.transfer'],
    ['POST', '/(S(x))/api/transfers', 'payment.transfer'],
  ])('%s %s is judged as %s', async (method, uri, action) => {
    const { status, headers } = await rig.forward(method, uri);
    expect([status, headers['x-stepgate-action']]).toEqual([401, action]);
  });

  test.each([
    ['/assets/app.min.js', 'request'],
    ['/api/accounts/7.json', 'profile.view'],
  ])('A format that changes nothing changes nothing: %s is %s', async (uri, action) => {
    const { headers } = await rig.forward('GET', uri);
    expect(headers['x-stepgate-action']).toBe(action);
  });
});

test('A method in the query is a conflict, as one in a header is, and the strictest route decides', async () => {
  const rig = await gatewayScene({
    rules: {
      actions: { 'account.delete': { routes: ['DELETE /account/*'] } },
      rules: [{ id: 'd', when: { action: 'account.delete' }, then: { decision: 'step-up' } }],
    },
  });
  const asked = [
    await rig.forward('POST', '/account/7?_method=DELETE'),
    await rig.forward('POST', '/account/7', { 'X-HTTP-Method-Override': 'DELETE' }),
  ];
  for (const { status, headers } of asked) {
    expect(status).toBe(401);
    expect(headers['x-stepgate-reasons']).toMatch(/^header_conflict/);
  }
  expect((await rig.forward('POST', '/account/7?_method=POST')).status).toBe(200);
  await rig.close();
});

test('A rule on resource.id sees every reading of the path, and the attempt is counted once', async () => {
  const rig = await gatewayScene({
    rules: {
      default: 'allow',
      rules: [
        { id: 'internal', when: { 'resource.id': { starts_with: '/internal' } }, then: { decision: 'deny' } },
        { id: 'keys', when: { 'resource.id': { ends_with: '.key' } }, then: { decision: 'deny' } },
        { id: 'busy', when: { 'subject.attempts_1m': { gt: 2 } }, then: { decision: 'step-up' } },
      ],
    },
  });
  for (const uri of [
    '/internal/../public',
    '/x/..%2finternal',
    '/%69nternal/x',
    '/internal.json',
    `/${'a'.repeat(3000)}.key`,
  ]) {
    expect((await rig.forward('GET', uri)).status, uri).toBe(403);
  }
  const bearer = { Authorization: `Bearer ${await rig.token({ sub: 'ann' })}` };
  expect((await rig.forward('GET', '/public;a/b.c.d', bearer)).status).toBe(200);
  expect((await rig.forward('GET', '/public;a/b.c.d', bearer)).status).toBe(200);
  expect((await rig.forward('GET', '/public;a/b.c.d', bearer)).status).toBe(401);
  await rig.close();
});

/** @see https://github.com/openid/authzen/blob/main/interop/authzen-api-gateways/zuplo-gateway/modules/authzen.ts */
describe('a question of the AuthZEN API-gateway profile', () => {
  const ask = async (name: string, id: string, properties?: object, rules: object = SHIPPED) => {
    const app = scene({ rules });
    const subject = { type: 'identity', id: 'u1' };
    const response = await app.post('/access/v1/evaluation', {
      subject,
      action: { name },
      resource: { type: 'route', id, ...(properties && { properties }) },
    });
    await app.settled();
    return { status: response.status, body: await response.json(), record: app.records[0] };
  };

  test.each([
    ['POST', '/api/transfers', undefined, 'payment.transfer'],
    ['GET', '/admin/users', undefined, 'admin.any'],
    ['get', '/Admin/users', undefined, 'admin.any'],
    ['POST', '/api/transfers.json', undefined, 'payment.transfer'],
    ['POST', '/x/..%2fapi/transfers', undefined, 'payment.transfer'],
    ['POST', '/api/transfers/:id/confirm', undefined, 'payment.transfer'],
    ['POST', '/api/{thing}', undefined, 'email.change'],
    ['PUT', '/{proxy+}', undefined, 'admin.any'],
    ['PUT', '/api/pa\u017fsword', undefined, 'password.change'],
    ['POST', 'transfers', { path: '/api/transfers' }, 'payment.transfer'],
    ['POST', '/{any}', { uri: 'https://app.example/api/transfers?x=1' }, 'payment.transfer'],
    ['GET', '/api/transfers?_method=POST', undefined, 'payment.transfer'],
  ])('%s %s %j goes through the routes as %s', async (name, id, properties, action) => {
    const { body, record } = await ask(name, id, properties);
    expect(body).toMatchObject({
      decision: false,
      context: { stepgate: { decision: 'step-up', action }, obligations: [{ id: 'step-up' }] },
    });
    expect(record).toMatchObject({ action });
  });

  test('A question of the AuthZEN API-gateway profile that no route matches is the action request, as at a gateway', async () => {
    const { body } = await ask('GET', '/about');
    expect(body).toMatchObject({ decision: true, context: { stepgate: { action: 'request' } } });
  });

  test('A question of the AuthZEN API-gateway profile whose path cannot be read is refused, and is told where', async () => {
    const { status, body } = await ask('GET', '/a%00b');
    expect(status).toBe(400);
    expect(body.errors).toMatchObject([{ path: 'resource.id' }]);
    expect((await ask('GET', 'a-name')).body.errors).toMatchObject([{ path: 'resource.id' }]);
  });

  test('A question of the AuthZEN API-gateway profile is an action of its own as well where rules name the method', async () => {
    const rules = {
      default: 'deny',
      actions: { pay: { routes: ['POST /pay'] } },
      rules: [{ id: 'ok', when: { action: { in: ['GET', 'POST'] } }, then: { decision: 'allow' } }],
    };
    expect((await ask('GET', '/todos/{todoId}', undefined, rules)).body.decision).toBe(true);
    expect((await ask('POST', '/pay', undefined, rules)).body.decision).toBe(false);
  });
});
