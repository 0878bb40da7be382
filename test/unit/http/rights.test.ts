import { describe, expect, test } from 'vitest';
import { loadSettings } from '../../../src/app/settings.ts';
import { callers } from '../../../src/http/caller.ts';
import { RIGHTS, type Right } from '../../../src/model/api-keys.ts';
import { noMetrics } from '../../../src/records/metrics.ts';
import { scene } from '../../support/scene.ts';

const SECRET = 'the-key-of-this-caller';

/** An app with one caller, who has these rights; `refused` is what was counted. */
function appFor(rights: readonly Right[]) {
  const refused: string[] = [];
  const app = scene({
    deps: {
      findCaller: callers([{ name: 'gateway', rights, kind: 'secret', secret: SECRET }]),
      metrics: { ...noMetrics, rightRefused: (caller, right) => refused.push(`${caller} ${right}`) },
    },
  });
  return { ...app, refused };
}

const LOGIN = { type: 'login.succeeded', subject: 'ann', ip: '81.2.69.160' };
const EVALUATION = {
  subject: { type: 'user', id: 'ann' },
  action: { name: 'read' },
  resource: { type: 'page', id: '1' },
};
const CALLS = [
  ['POST', '/v1/risk-check', 'check', { action: 'login' }],
  ['POST', '/v1/step-up/verify', 'check', {}],
  ['POST', '/access/v1/evaluation', 'check', EVALUATION],
  ['POST', '/access/v1/evaluations', 'check', EVALUATION],
  ['POST', '/v1/events', 'events', LOGIN],
  ['GET', '/v1/subjects/ann', 'subjects.read', null],
  ['GET', '/v1/subjects/ann/devices', 'subjects.read', null],
  ['DELETE', '/v1/subjects/ann', 'subjects.erase', null],
  ['DELETE', '/v1/subjects/ann/devices', 'subjects.erase', null],
  ['DELETE', '/v1/subjects/ann/devices/d-1', 'subjects.erase', null],
] as const;

const send = ({ app }: ReturnType<typeof scene>, method: string, path: string, body: object | null) =>
  app.request(path, {
    method,
    headers: { Authorization: `Bearer ${SECRET}`, 'Content-Type': 'application/json' },
    ...(body !== null && { body: JSON.stringify(body) }),
  });

describe('a key', () => {
  test.each(CALLS)('%s %s is refused to whoever lacks the right %s, which is named and counted', async (...call) => {
    const [method, path, right, body] = call;
    const app = appFor(RIGHTS.filter((other) => other !== right && other !== 'admin'));
    const response = await send(app, method, path, body);
    expect(response.status).toBe(403);
    expect(response.headers.get('www-authenticate')).toBe(
      `Bearer realm="stepgate", error="insufficient_scope", scope="${right}"`,
    );
    const problem = await response.json();
    expect(problem).toMatchObject({ code: 'right_missing', status: 403 });
    expect(problem.detail).toContain(`the right ${right}`);
    expect(app.refused).toEqual([`gateway ${right}`]);
  });

  test.each(CALLS)('%s %s is open to whoever has the right %s, or all', async (method, path, right, body) => {
    for (const rights of [[right], ['admin']] as const) {
      const app = appFor(rights);
      expect((await send(app, method, path, body)).status).not.toBe(403);
      expect(app.refused).toEqual([]);
    }
  });

  test('A key of the gateway erases nobody: what is stored stays', async () => {
    const app = appFor(['check', 'events']);
    expect((await send(app, 'POST', '/v1/events', LOGIN)).status).toBe(202);
    expect((await send(app, 'DELETE', '/v1/subjects/ann', null)).status).toBe(403);
    const stored = await app.engine.store.readSubject(app.engine.pseudonym('subject', 'ann'), app.engine.now());
    expect(stored?.baseline).not.toBeNull();
  });

  test('A key without the right to check is refused by the gateway routes too, which say so', async () => {
    const app = appFor(['events', 'subjects.read']);
    const headers = { 'X-Stepgate-Key': SECRET, 'X-Forwarded-Method': 'GET', 'X-Forwarded-Uri': '/' };
    const response = await app.app.request('/forward-auth', { headers });
    expect(response.status).toBe(403);
    expect(response.headers.get('x-stepgate-error')).toBe('right_missing');
    expect(app.refused).toEqual(['gateway check']);
  });
});

describe('the rights of API_KEYS', () => {
  const rightsIn = (environment: NodeJS.ProcessEnv) =>
    loadSettings(environment, () => 'x'.repeat(48)).apiKeys.map(({ name, rights }) => [name, rights]);

  test('The rights of API_KEYS are check and events in the short form', () => {
    const hex = 'ab'.repeat(32);
    expect(rightsIn({ API_KEYS: `nginx:0123456789abcdef,envoy:sha256:${hex}` })).toEqual([
      ['nginx', ['check', 'events']],
      ['envoy', ['check', 'events']],
    ]);
  });

  test('The rights of API_KEYS are all where a key is made for a newcomer', () => {
    expect(rightsIn({})).toEqual([['development', ['admin']]]);
  });

  test('The rights of API_KEYS are those that it says where it is the text of a keys file', () => {
    const keys = [{ name: 'desk', sha256: 'cd'.repeat(32), rights: ['subjects.read'] }];
    expect(rightsIn({ API_KEYS: JSON.stringify({ version: 1, keys }) })).toEqual([['desk', ['subjects.read']]]);
  });
});
