import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createStepgateClient, type SendRequest, StepgateError } from '../../../../packages/sdk/src/client.ts';
import { API_KEY, scene } from '../../../support/scene.ts';
import { FAULTS, standIn } from '../../../support/servers/stand-in.ts';
import { KEY, type Workshop, workshop } from '../../../support/servers/stepgate.ts';

/** A busy machine must not turn an answer into a failure. */
const patient = { timeoutMs: 30_000 };

let shop: Workshop;

beforeAll(async () => {
  shop = await workshop();
});
afterEach(() => shop.tidy());
afterAll(() => shop.close());

/** A client of the app in this process. */
function inProcess(more: Parameters<typeof scene>[0] = {}) {
  const { app, settled } = scene(more);
  return {
    client: createStepgateClient({ ...patient, url: 'http://stepgate.internal', key: API_KEY, fetch: app.fetch }),
    settled,
  };
}

/** What a call rejected with. */
async function errorOf(call: Promise<unknown>): Promise<StepgateError> {
  const error = await call.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (error instanceof StepgateError) return error;
  throw new Error(`not refused as expected: ${String(error)}`);
}

const LOGIN = { subject: 'ann', action: 'login', ip: '81.2.69.160' };
const DEVICE = { fingerprint: '7d793037a0760186574b0282f2f435e7' };

describe('against a server that listens', () => {
  test('Every call of the API comes back typed and read', async () => {
    const { server } = await shop.start({ GEO_DATA: 'none' });
    const client = createStepgateClient({ ...patient, url: `${server.url}/`, key: KEY });

    const decided = await client.riskCheck({ ...LOGIN, device: DEVICE, context: { amount: 10 } });
    expect(decided).toMatchObject({ failed: false, decision: 'allow', signals: { device: { state: 'measured' } } });
    expect(await client.riskCheck({ ...LOGIN, subject: 'root' })).toMatchObject({ failed: false, decision: 'deny' });

    const { action: _action, ...who } = LOGIN;
    const told = await client.sendEvent({ ...who, type: 'login.succeeded', device: DEVICE, trust_device: true });
    expect(told.device?.token).toEqual(expect.any(String));

    const [known] = await client.devices.list('ann');
    expect(known).toMatchObject({ id: told.device?.id, trusted: true });
    await client.devices.revoke('ann', known?.id ?? '');
    expect(await client.devices.list('ann')).toMatchObject([{ trusted: false }]);
    await client.devices.revokeAll('ann');

    expect(await client.subjects.read('ann')).toMatchObject({ subject: 'ann', counters: { attempts_1m: 1 } });
    await client.subjects.erase('ann');
    expect(await client.subjects.read('ann')).toBeNull();
    expect(await client.devices.list('ann')).toEqual([]);

    expect(await client.verifyStepUp({ token: 'x', subject: 'ann' })).toMatchObject({
      valid: false,
      failed: false,
      code: 'no_issuer',
      step_up: { max_age: 600 },
    });
  });
});

describe('a decision without what explains it', () => {
  test('The client asks for it and gets no reasons and signals', async () => {
    const { client, settled } = inProcess();
    const decided = await client.decide({ ...LOGIN, device: DEVICE });
    await settled();
    expect(decided).toEqual({ failed: false, id: expect.any(String), decision: 'allow', score: expect.any(Number) });
  });

  test('The failure answer stands in for it as for a full one', async () => {
    const failures: unknown[] = [];
    const client = createStepgateClient({
      url: 'http://stepgate.internal',
      key: API_KEY,
      onFailure: 'deny',
      onFailed: (failure) => failures.push(failure),
      fetch: () => new Response('', { status: 503 }),
    });
    expect(await client.decide(LOGIN)).toMatchObject({ failed: true, decision: 'deny', why: 'unavailable' });
    expect(failures).toMatchObject([{ call: 'risk-check', why: 'unavailable' }]);
  });
});

describe('what Stepgate refuses is an error, whatever a failure would be answered with', () => {
  const allowing = (url: string, key: string) => createStepgateClient({ ...patient, url, key, onFailure: 'allow' });

  test('A call with a wrong key rejects', async () => {
    const { server } = await shop.start({ GEO_DATA: 'none' });
    const error = await errorOf(allowing(server.url, 'not-the-key-of-anybody').riskCheck(LOGIN));
    expect(error).toMatchObject({ code: 'unauthorized', status: 401, requestId: expect.any(String) });
    expect(error.message).not.toContain('not-the-key-of-anybody');
  });

  test('An invalid body, with each fault by its path', async () => {
    const { server } = await shop.start({ GEO_DATA: 'none' });
    const error = await errorOf(allowing(server.url, KEY).riskCheck({ action: '', ip: '300.1.1.1' }));
    expect(error).toMatchObject({ code: 'invalid_request', status: 400 });
    expect(error.faults.map(({ path }) => path).sort()).toEqual(['action', 'ip']);
  });

  test('A device that is not there', async () => {
    const { client } = inProcess();
    expect(await errorOf(client.devices.revoke('ann', 'd-1'))).toMatchObject({ code: 'not_found', status: 404 });
  });

  test('An address at which something else refuses, or leads away: the key is not carried on', async () => {
    const elsewhere = await standIn((_request, response) => response.end('{}'));
    const proxy = await standIn((request, response) => {
      if (request.url?.startsWith('/moved') === true)
        response.writeHead(307, { Location: `${elsewhere.url}/v1` }).end();
      else response.writeHead(404).end('<h1>no such site</h1>');
    });
    shop.onTidy(elsewhere.stop);
    shop.onTidy(proxy.stop);
    for (const [url, status] of [[`${proxy.url}/moved`, 307] as const, [proxy.url, 404] as const]) {
      expect(await errorOf(allowing(url, KEY).riskCheck(LOGIN))).toMatchObject({ code: 'unexpected_status', status });
    }
    expect(elsewhere.asked).toEqual([]);
  });
});

describe.each(
  Object.entries(FAULTS).flatMap(([why, faults]) =>
    Object.entries(faults).map(([what, answer]) => ({ why, what, answer })),
  ),
)('a Stepgate that $what', ({ why, answer }) => {
  /**
   * @see https://github.com/envoyproxy/envoy/issues/38927 what a 5xx does is the caller's choice, and is told from a decision
   * @see https://github.com/open-policy-agent/opa/issues/5914 an undefined result is never an allow
   */
  test.each([
    ['step-up', undefined],
    ['step-up', 'step-up'],
    ['deny', 'deny'],
    ['allow', 'allow'],
  ] as const)(
    'A failing Stepgate is answered for by %s where onFailure is %s, marked as such, and asked once only',
    async (decision, onFailure) => {
      const stand = await standIn(answer);
      shop.onTidy(stand.stop);
      const told: unknown[] = [];
      const client = createStepgateClient({
        url: stand.url,
        key: KEY,
        // Long enough for a busy machine to reach the server at all.
        timeoutMs: why === 'timeout' ? 300 : 10_000,
        ...(onFailure !== undefined && { onFailure }),
        onFailed: (failure) => told.push(failure),
      });
      const answered = await client.riskCheck(LOGIN);
      expect(answered).toMatchObject({ failed: true, why, decision, detail: expect.any(String) });
      expect('step_up' in answered).toBe(decision === 'step-up');
      expect(told).toEqual([{ call: 'risk-check', why, detail: expect.any(String) }]);

      // No proof was checked, so none is there, and nothing else pretends to have been done.
      expect(await client.verifyStepUp({ token: 'x' })).toMatchObject({ valid: false, failed: true, why });
      expect(await errorOf(client.sendEvent({ type: 'login.failed', subject: 'ann' }))).toMatchObject({ code: why });
      expect(stand.asked).toHaveLength(3);
    },
  );
});

test('A Stepgate that is not there at all is a failure, not an error', async () => {
  const gone = await standIn(() => undefined);
  await gone.stop();
  const client = createStepgateClient({ ...patient, url: gone.url, key: KEY });
  expect(await client.riskCheck(LOGIN)).toMatchObject({ failed: true, why: 'unreachable', decision: 'step-up' });
  expect(await errorOf(client.devices.revokeAll('ann'))).toMatchObject({ code: 'unreachable', status: null });
});

/** @see https://github.com/redis/ioredis/issues/1604 the limit is enforced by the one who waits, not by what is asked */
test('The deadline holds for a way of sending that knows nothing of signals', async () => {
  const never: SendRequest = () => new Promise(() => undefined);
  const client = createStepgateClient({ url: 'http://stepgate.internal', key: KEY, timeoutMs: 20, fetch: never });
  expect(await client.riskCheck(LOGIN)).toMatchObject({ failed: true, why: 'timeout' });
});

/** @see https://github.com/redis/ioredis/issues/1535 timers outlived what they were for */
test('No timer is left behind by calls that were answered', async () => {
  const { client } = inProcess();
  const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
  const before = timers();
  await Promise.all(Array.from({ length: 50 }, () => client.riskCheck(LOGIN)));
  expect(timers()).toBeLessThanOrEqual(before);
});

describe('a signal of the caller', () => {
  test('A signal of the caller ends the call with its own reason, and no failure answer stands in', async () => {
    const stand = await standIn(() => undefined);
    shop.onTidy(stand.stop);
    const client = createStepgateClient({ ...patient, url: stand.url, key: KEY, onFailure: 'allow' });
    const leaving = new AbortController();
    const reason = new Error('the visitor left');
    const call = client.riskCheck(LOGIN, { signal: leaving.signal });
    leaving.abort(reason);
    await expect(call).rejects.toBe(reason);
  });

  test('A signal of the caller that has ended already sends nothing', async () => {
    const stand = await standIn(() => undefined);
    shop.onTidy(stand.stop);
    const client = createStepgateClient({ ...patient, url: stand.url, key: KEY });
    await expect(client.riskCheck(LOGIN, { signal: AbortSignal.abort('gone') })).rejects.toBe('gone');
    expect(stand.asked).toEqual([]);
  });

  test('A signal of the caller that ends later changes nothing', async () => {
    const { client } = inProcess();
    const leaving = new AbortController();
    const answer = await client.riskCheck(LOGIN, { signal: leaving.signal });
    leaving.abort();
    expect(answer).toMatchObject({ failed: false, decision: 'allow' });
  });
});

test('Any subject and device id names one resource: what it deletes is never another', async () => {
  const paths: string[] = [];
  const client = createStepgateClient({
    url: 'http://stepgate.internal/base',
    key: KEY,
    fetch: (request) => {
      paths.push(new URL(request.url).pathname);
      return new Response(null, { status: 204 });
    },
  });
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' }), async (subject, device) => {
      paths.length = 0;
      const outcome = await client.devices.revoke(subject, device).then(
        () => 'sent',
        (error: unknown) => (error instanceof StepgateError ? error.code : 'fault'),
      );
      const nameless = [subject, device].some((part) => ['', '.', '..'].includes(part));
      expect(outcome).toBe(nameless ? 'invalid_request' : 'sent');
      if (nameless) return;
      const [, base, v1, subjects, id = '', devices, own = '', ...rest] = (paths[0] ?? '').split('/');
      expect([base, v1, subjects, devices, rest]).toEqual(['base', 'v1', 'subjects', 'devices', []]);
      expect([id, own].map(decodeURIComponent)).toEqual([subject, device].map((part) => part.toWellFormed()));
    }),
  );
});

test('A subject with a slash, a percent sign or a space is one subject at the service', async () => {
  const { client } = inProcess();
  for (const subject of ['a/b', '100%', 'a b', 'ünï', '%2e%2e']) {
    await client.sendEvent({ type: 'login.succeeded', subject, device: DEVICE });
    expect(await client.subjects.read(subject)).toMatchObject({ subject });
  }
});

test.each([
  ['url', { url: '/relative' }],
  ['url', { url: 'ftp://stepgate' }],
  ['url', { url: 'https://user:secret@stepgate' }],
  ['url', { url: 'https://stepgate/?a=1' }],
  ['key', { key: '' }],
  ['key', { key: 'with a space' }],
  ['timeoutMs', { timeoutMs: 0 }],
  ['timeoutMs', { timeoutMs: Number.NaN }],
  ['timeoutMs', { timeoutMs: 120_000 }],
])('%s that cannot be used is told at once: %o', (name, wrong) => {
  const make = () => createStepgateClient({ url: 'https://stepgate.internal', key: KEY, ...wrong });
  expect(make).toThrow(expect.objectContaining({ code: 'invalid_options', message: expect.stringContaining(name) }));
  expect(make).not.toThrow(/secret/);
});

test('Calls at once do not disturb one another', async () => {
  const { server } = await shop.start({ GEO_DATA: 'none' });
  const client = createStepgateClient({ ...patient, url: server.url, key: KEY });
  const subjects = Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? 'root' : `user-${i}`));
  const answers = await Promise.all(subjects.map((subject) => client.riskCheck({ ...LOGIN, subject })));
  expect(answers.map(({ decision }) => decision)).toEqual(subjects.map((s) => (s === 'root' ? 'deny' : 'allow')));
});
