import { describe, expect, test } from 'vitest';
import { problemDocument } from '../../../src/contract/problem.ts';
import { MAX_SUBJECT_LENGTH } from '../../../src/model/subject.ts';
import { scene } from '../../support/scene.ts';

const text = (length: number): string => 'x'.repeat(length);
const entries = (count: number): { [name: string]: string } =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, 'x']));
const nested = (levels: number): unknown => (levels === 0 ? 1 : { a: nested(levels - 1) });
const check = (more: object): object => ({ action: 'a', ...more });
const evaluations = (more: object): object => ({
  subject: { type: 'user', id: 'u' },
  action: { name: 'a' },
  resource: { type: 't', id: 'i' },
  ...more,
});

/** Route, where the fault is, the largest size that is taken, and a body of a size. */
const LIMITS: readonly [path: string, at: string, most: number, bodyOf: (size: number) => object][] = [
  ['/v1/risk-check', 'action', 256, (size) => ({ action: text(size) })],
  ['/v1/risk-check', 'subject', MAX_SUBJECT_LENGTH, (size) => check({ subject: text(size) })],
  ['/v1/risk-check', 'session', 1024, (size) => check({ session: text(size) })],
  ['/v1/risk-check', 'resource.id', 1024, (size) => check({ resource: { id: text(size) } })],
  ['/v1/risk-check', 'resource.type', 256, (size) => check({ resource: { type: text(size) } })],
  ['/v1/risk-check', 'device.fingerprint', 1024, (size) => check({ device: { fingerprint: text(size) } })],
  ['/v1/risk-check', 'device.token', 8192, (size) => check({ device: { token: text(size) } })],
  ['/v1/risk-check', 'device.components', 64, (size) => check({ device: { components: entries(size) } })],
  ['/v1/risk-check', 'device.components.k', 1024, (size) => check({ device: { components: { k: text(size) } } })],
  ['/v1/risk-check', 'device.components.', 64, (size) => check({ device: { components: { [text(size)]: 'x' } } })],
  ['/v1/risk-check', 'context', 8, (size) => check({ context: nested(size) })],
  ['/v1/risk-check', 'resource.properties', 8, (size) => check({ resource: { properties: nested(size) } })],
  ['/v1/risk-check', 'subject_properties', 8, (size) => check({ subject_properties: nested(size) })],
  ['/v1/risk-check', 'geo.city', 128, (size) => check({ geo: { city: text(size) } })],
  ['/v1/risk-check', 'headers.', 256, (size) => check({ headers: { [text(size)]: '' } })],
  ['/v1/events', 'subject', MAX_SUBJECT_LENGTH, (size) => ({ type: 'login.failed', subject: text(size) })],
  ['/v1/step-up/verify', 'acr_values', 16, (size) => ({ acr_values: Object.keys(entries(size)) })],
  ['/v1/step-up/verify', 'amr_values', 16, (size) => ({ amr_values: Object.keys(entries(size)) })],
  ['/v1/step-up/verify', 'acr_values[0]', 256, (size) => ({ acr_values: [text(size)] })],
  ['/access/v1/evaluation', 'action.name', 256, (size) => evaluations({ action: { name: text(size) } })],
  ['/access/v1/evaluation', 'context', 8, (size) => evaluations({ context: nested(size) })],
  ['/access/v1/evaluations', 'evaluations', 100, (size) => evaluations({ evaluations: Array(size).fill({}) })],
];

describe('what is larger than it may be is refused by name, and no byte sooner', () => {
  test.each(LIMITS)('%s %s: %i', async (path, at, most, bodyOf) => {
    const { post } = scene();
    const taken = await post(path, bodyOf(most));
    expect(taken.status, await taken.text()).toBeLessThan(300);
    const refused = await post(path, bodyOf(most + 1));
    expect(refused.status).toBe(400);
    const { code, errors = [] } = problemDocument.parse(await refused.json());
    expect(code).toBe('invalid_request');
    expect(errors).toHaveLength(1);
    expect(errors[0]?.path.startsWith(at), errors[0]?.path).toBe(true);
  });
});

describe('a batch', () => {
  const LIMIT = 512 * 1024;
  const batch = (context: object, count: number): object =>
    evaluations({ context, evaluations: Array.from({ length: count }, () => ({})) });

  test('A batch counts what its items leave out with each of them: a short body may come to too much', async () => {
    const { post } = scene();
    const context = { text: text(5100) };
    expect((await post('/access/v1/evaluations', batch(context, 100))).status).toBe(200);
    const more = { text: text(5200) };
    expect((await post('/access/v1/evaluations', batch(more, 99))).status).toBe(200);
    const response = await post('/access/v1/evaluations', batch(more, 100));
    expect(response.status).toBe(400);
    const { errors = [] } = problemDocument.parse(await response.json());
    expect(errors).toEqual([{ path: 'evaluations', message: expect.stringContaining(`of ${LIMIT} allowed`) }]);
  });

  test('A batch does not count what its items replace', async () => {
    const body = evaluations({
      context: { text: text(30_000) },
      evaluations: Array.from({ length: 100 }, () => ({ context: {} })),
    });
    expect((await scene().post('/access/v1/evaluations', body)).status).toBe(200);
  });
});

describe('a refusal', () => {
  test('A refusal names twenty faults and how many there are in all', async () => {
    const response = await scene().post('/v1/risk-check', check(entries(3000)));
    expect(response.status).toBe(400);
    const { detail, errors } = problemDocument.parse(await response.json());
    expect(detail).toBe('k0: is not a key of this request; see /openapi.json (and 2999 more)');
    expect(errors).toHaveLength(20);
  });

  test('A refusal cuts the names that it repeats', async () => {
    const response = await scene().post('/v1/risk-check', check({ [`${text(198)}😀${text(60_000)}`]: 1 }));
    const { detail, errors = [] } = problemDocument.parse(await response.json());
    expect(detail).toHaveLength(1000);
    expect(errors[0]?.path).toBe(`${text(198)}�…`);
  });
});
