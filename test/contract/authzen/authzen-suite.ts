import { existsSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

/** The API key with which the suite calls. */
export const KEY = 'authzen-test-key-0123456789';

/** A service of any runtime. */
export interface Service {
  readonly url: string;
  readonly stop: () => Promise<void>;
}

/** Starts a service that knows {@link KEY}, with the rules of a folder of `fixtures/` and these settings. */
export type Serve = (rules: string, more?: { readonly [name: string]: string }) => Promise<Service>;

/** What came back, with the answer's body as far as it is looked at. */
interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly body: {
    readonly decision?: boolean;
    readonly evaluations?: readonly { readonly decision: boolean; readonly context?: Record<string, unknown> }[];
    readonly context?: Record<string, unknown>;
    readonly errors?: readonly { readonly path: string }[];
    readonly [key: string]: unknown;
  };
}

async function send(url: string, body: unknown, headers: Record<string, string> = {}): Promise<Reply> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { Authorization: `Bearer ${KEY}`, 'Content-Type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, body: JSON.parse(text) };
}

/** AuthZEN 1.0 over HTTP: certification scenario, metadata, and the published cases of the interop. */
export function authzenSuite(serve: Serve): void {
  let server: Service;
  beforeAll(async () => {
    server = await serve('authzen-certification');
  });
  afterAll(() => server.stop());

  const evaluation = (body: unknown, headers?: Record<string, string>) =>
    send(`${server.url}/access/v1/evaluation`, body, headers);
  const evaluations = (body: unknown, headers?: Record<string, string>) =>
    send(`${server.url}/access/v1/evaluations`, body, headers);

  const alice = { type: 'user', id: 'alice' };
  const bob = { type: 'user', id: 'bob' };
  const read = { name: 'read' };
  const write = { name: 'write' };
  const record1 = { type: 'record', id: 'record-1' };
  const archived = { type: 'record', id: 'record-2', properties: { status: 'archived' } };
  const READ = { subject: alice, action: read, resource: record1 };

  /** @see https://github.com/openid/authzen/blob/main/certification/authorization-api-1_0-scenario.md */
  describe('an evaluation', () => {
    test.each([
      ['alice reads', READ, true],
      ['alice writes', { ...READ, action: write }, true],
      ['bob reads', { ...READ, subject: bob }, true],
      ['bob writes', { ...READ, subject: bob, action: write }, false],
      ['alice writes what is archived', { ...READ, action: write, resource: archived }, false],
      [
        'an admin writes what is archived',
        { subject: { ...bob, properties: { role: 'admin' } }, action: write, resource: archived },
        true,
      ],
      ['alice deletes softly', { ...READ, action: { name: 'delete', properties: { soft: true } } }, true],
      ['alice deletes for good', { ...READ, action: { name: 'delete', properties: { soft: false } } }, false],
      ['a context changes nothing', { ...READ, context: { time: '2025-06-27T18:03-07:00', ip: '192.168.1.1' } }, true],
      ['unknown fields are left alone', { ...READ, foo: 'bar', futureField: { nested: true } }, true],
      ['unknown fields of an entity too', { ...READ, subject: { ...alice, future: 1 } }, true],
      ['a null context is none', { ...READ, context: null }, true],
    ])('%s', async (_, body, decision) => {
      const reply = await evaluation(body);
      expect(reply.status).toBe(200);
      expect(reply.headers.get('content-type')).toMatch(/^application\/json/);
      expect(reply.body.decision).toBe(decision);
    });

    test('An evaluation answers an equal call with an equal body', async () => {
      const bodies = new Set<string>();
      for (let i = 0; i < 3; i++)
        bodies.add((await evaluation({ ...READ, subject: { type: 'user', id: 'same' } })).text);
      expect(bodies.size).toBe(1);
    });

    test('An evaluation says in a refusal why, for the operator and for the user apart', async () => {
      const { body } = await evaluation({ ...READ, subject: bob, action: write });
      expect(body.context).toMatchObject({
        reason_admin: { en: expect.stringContaining('deny') },
        reason_user: { en: 'This request was refused.' },
        stepgate: { decision: 'deny', level: 'low', score: 0, rules_revision: expect.stringMatching(/^sha256-/) },
      });
      expect(body.context).not.toHaveProperty('obligations');
    });

    test('An evaluation that needs a step-up is false and tells it in both shapes', async () => {
      const { body } = await evaluation({ ...READ, action: { name: 'transfer' } });
      expect(body.decision).toBe(false);
      expect(body.context).toMatchObject({
        acr_values: 'urn:example:loa:3 urn:example:loa:2',
        amr_values: 'mfa hwk',
        max_age: 300,
        obligations: [
          {
            id: 'step-up',
            type: 'step-up',
            properties: { acr_value: 'urn:example:loa:3', amr_values: ['mfa', 'hwk'] },
          },
        ],
        reason_admin: { en: expect.stringContaining('large_transfer') },
        reason_user: { en: 'Please confirm that it is you.' },
        stepgate: { decision: 'step-up', step_up: { required: true, satisfied: false } },
      });
    });

    test('An evaluation that any step-up would do for still names an acr, which the obligation cannot be without', async () => {
      const { body } = await evaluation({ ...READ, action: { name: 'export' } });
      expect(body.context).toMatchObject({
        acr_values: 'urn:stepgate:su',
        obligations: [{ properties: { acr_value: 'urn:stepgate:su' } }],
      });
      expect(body.context).not.toHaveProperty('amr_values');
    });

    test('An evaluation takes what a risk check takes from the context under the same names', async () => {
      const { body } = await evaluation({
        ...READ,
        context: {
          ip: '81.2.69.160',
          user_agent: 'Mozilla/5.0 (X11; Linux x86_64) Chrome/143.0',
          session: 's-1',
          device: { fingerprint: 'b1946ac92492d2347c6235b4d2611184' },
          geo: { lat: 52.2, lon: 0.48, country: 'GB' },
          step_up_token: 'e30.e30.',
          dry_run: true,
          amount: 5,
        },
      });
      expect(body.context?.stepgate).toMatchObject({
        signals: { device: { state: 'measured' }, geo: { state: 'measured' }, client: { state: 'measured' } },
      });
    });

    test.each([
      ['no subject', { action: read, resource: record1 }, 'subject'],
      ['no action', { subject: alice, resource: record1 }, 'action'],
      ['no resource', { subject: alice, action: read }, 'resource'],
      ['a subject without type', { ...READ, subject: { id: 'alice' } }, 'subject.type'],
      ['a subject without id', { ...READ, subject: { type: 'user' } }, 'subject.id'],
      ['an action without name', { ...READ, action: {} }, 'action.name'],
      ['a resource without type', { ...READ, resource: { id: 'record-1' } }, 'resource.type'],
      ['a resource without id', { ...READ, resource: { type: 'record' } }, 'resource.id'],
      ['a subject that is text', { ...READ, subject: 'alice' }, 'subject'],
      ['an action name that is a number', { ...READ, action: { name: 123 } }, 'action.name'],
      ['a null subject', { ...READ, subject: null }, 'subject'],
      ['an empty id', { ...READ, subject: { type: 'user', id: '' } }, 'subject.id'],
      ['an id of invisible characters', { ...READ, subject: { type: 'user', id: '\u200b' } }, 'subject.id'],
      ['properties that are a list', { ...READ, resource: { ...record1, properties: [] } }, 'resource.properties'],
      ['a context that is text', { ...READ, context: 'x' }, 'context'],
      ['an address that is none', { ...READ, context: { ip: '10.0.0.1:80' } }, 'context.ip'],
      ['a device of the wrong shape', { ...READ, context: { device: { confidence: 7 } } }, 'context.device.confidence'],
    ])('An evaluation with %s is a 400 that names the place', async (_, body, path) => {
      const reply = await evaluation(body);
      expect(reply.status).toBe(400);
      expect(reply.body.errors?.map((fault) => fault.path)).toContain(path);
    });

    test.each([
      ['broken JSON', '{ "subject": { "type": "user", "id": "alice" } oops'],
      ['an empty body', ''],
      ['a list', '[]'],
      ['a text', '"x"'],
    ])('An evaluation of %s is a 400', async (_, body) => {
      expect((await evaluation(body)).status).toBe(400);
    });

    test('An evaluation of another media type is a 400, JSON with a charset is taken', async () => {
      expect((await evaluation(READ, { 'Content-Type': 'text/plain' })).status).toBe(400);
      expect((await evaluation(READ, { 'Content-Type': 'application/xml' })).status).toBe(400);
      expect((await evaluation(READ, { 'Content-Type': 'application/json; charset=utf-8' })).status).toBe(200);
    });

    test('An evaluation without a key or with a wrong one is a 401', async () => {
      expect((await evaluation(READ, { Authorization: '' })).status).toBe(401);
      expect((await evaluation(READ, { Authorization: 'Bearer wrong-key-0123456789' })).status).toBe(401);
    });

    test.each(['GET', 'PUT'])('An evaluation by %s is a 405', async (method) => {
      for (const path of ['evaluation', 'evaluations']) {
        const response = await fetch(`${server.url}/access/v1/${path}`, {
          method,
          headers: { Authorization: `Bearer ${KEY}` },
        });
        expect(response.status).toBe(405);
      }
    });

    test('An evaluation echoes X-Request-ID, also in errors and batches', async () => {
      const id = { 'X-Request-ID': 'bfe9eb29-ab87-4ca3-be83-a1d5d8305716' };
      const batch = { ...READ, evaluations: [{}] };
      const replies = [await evaluation(READ, id), await evaluation({}, id), await evaluations(batch, id)];
      for (const reply of replies) expect(reply.headers.get('x-request-id')).toBe(id['X-Request-ID']);
      expect((await evaluation(READ)).headers.get('x-request-id')).toMatch(/./);
    });
  });

  describe('a batch', () => {
    const decisionsOf = async (body: unknown): Promise<unknown> => {
      const reply = await evaluations(body);
      expect(reply.status).toBe(200);
      expect(reply.body).not.toHaveProperty('decision');
      return reply.body.evaluations?.map(({ decision }) => decision);
    };

    test('A batch answers in order, one for each item', async () => {
      const body = {
        subject: bob,
        resource: record1,
        evaluations: [{ action: read }, { action: write }, { action: read }],
      };
      expect(await decisionsOf(body)).toEqual([true, false, true]);
    });

    test('A batch needs no defaults', async () => {
      expect(await decisionsOf({ evaluations: [READ, { ...READ, subject: bob, action: write }] })).toEqual([
        true,
        false,
      ]);
    });

    test('A batch judges the properties of each item', async () => {
      const body = {
        action: write,
        resource: archived,
        evaluations: [{ subject: alice }, { subject: { ...bob, properties: { role: 'admin' } } }],
      };
      expect(await decisionsOf(body)).toEqual([false, true]);
    });

    test('An entity of an item replaces the default as a whole', async () => {
      const body = {
        subject: { ...bob, properties: { role: 'admin' } },
        action: write,
        resource: archived,
        evaluations: [{ subject: alice, resource: record1 }, { subject: bob }, {}],
      };
      expect(await decisionsOf(body)).toEqual([true, false, true]);
    });

    test('Only a required name that the item leaves out is taken from the default', async () => {
      const body = {
        subject: alice,
        action: write,
        resource: { type: 'record', properties: { status: 'archived' } },
        evaluations: [
          { resource: { id: 'record-1', properties: { status: 'active' } } },
          { resource: { id: 'record-1' } },
        ],
      };
      expect(await decisionsOf(body)).toEqual([true, true]);
    });

    test('A context of an item replaces the default context', async () => {
      const body = { ...READ, context: { ip: 'no address' }, evaluations: [{}, { context: { source: 'override' } }] };
      expect(await decisionsOf(body)).toEqual([false, true]);
    });

    test('An item that cannot be resolved is false in its place, with the error, and spoils no other', async () => {
      const items = [{ resource: record1 }, {}, null, 'x', { resource: 7 }, { resource: record1 }];
      const reply = await evaluations({ subject: alice, action: read, evaluations: items });
      expect(reply.status).toBe(200);
      expect(reply.body.evaluations?.map(({ decision }) => decision)).toEqual([true, false, false, false, false, true]);
      expect(reply.body.evaluations?.[1]?.context).toMatchObject({
        error: { status: 400, errors: [{ path: 'resource' }] },
      });
    });

    test('A batch without a subject anywhere is false for each item', async () => {
      expect(await decisionsOf({ action: read, evaluations: [{ resource: record1 }] })).toEqual([false]);
    });

    const mixed = { resource: record1, evaluations: [{ action: read }, { action: write }, { action: read }] };

    test.each([
      ['execute_all', bob, [true, false, true]],
      ['deny_on_first_deny', bob, [true, false]],
      ['permit_on_first_permit', bob, [true]],
      ['deny_on_first_deny', alice, [true, true, true]],
      ['permit_on_first_permit', { type: 'user', id: 'carol' }, [false, false, false]],
    ])('%s stops where it says', async (semantic, subject, decisions) => {
      expect(await decisionsOf({ ...mixed, subject, options: { evaluations_semantic: semantic } })).toEqual(decisions);
    });

    test('An error and a step-up are denials to deny_on_first_deny', async () => {
      const options = { evaluations_semantic: 'deny_on_first_deny' };
      const subject = alice;
      expect(await decisionsOf({ subject, resource: record1, options, evaluations: [{}, { action: read }] })).toEqual([
        false,
      ]);
      const transfer = { name: 'transfer' };
      expect(
        await decisionsOf({
          subject,
          resource: record1,
          options,
          evaluations: [{ action: transfer }, { action: read }],
        }),
      ).toEqual([false]);
    });

    test.each([
      ['an unknown semantic', { options: { evaluations_semantic: 'first_one_wins' } }],
      ['an unknown semantic beside no evaluations', { evaluations: [], options: { evaluations_semantic: 'x' } }],
      ['options that are text', { options: 'x' }],
      ['evaluations that are no list', { evaluations: {} }],
      ['more evaluations than are taken', { evaluations: Array.from({ length: 101 }, () => ({})) }],
    ])('A batch with %s is a 400', async (_, more) => {
      expect((await evaluations({ ...READ, evaluations: [{}], ...more })).status).toBe(400);
    });

    test('A batch leaves unknown options and fields alone', async () => {
      expect(await decisionsOf({ ...READ, evaluations: [{}], options: { another_option: 1 }, foo: 'bar' })).toEqual([
        true,
      ]);
    });

    test.each([
      ['absent', {}],
      ['empty', { evaluations: [] }],
      ['null', { evaluations: null }],
    ])('A batch whose evaluations are %s is a single evaluation', async (_, more) => {
      const reply = await evaluations({ ...READ, ...more });
      expect(reply.status).toBe(200);
      expect(reply.body.decision).toBe(true);
      expect(reply.body).not.toHaveProperty('evaluations');
      expect((await evaluations({ subject: alice, ...more })).status).toBe(400);
    });
  });

  test.each([
    ['execute_all', 1],
    ['deny_on_first_deny', 0],
    ['permit_on_first_permit', 1],
  ])('A batch under %s counts as one attempt of each of its subjects', async (evaluations_semantic, ofTheSecond) => {
    const [one, two] = [`one-${evaluations_semantic}`, `two-${evaluations_semantic}`].map((id) => ({
      type: 'user',
      id,
    }));
    const items = [one, two, one, one, two].map((subject) => ({ subject, action: read, resource: record1 }));
    await evaluations({ evaluations: items, options: { evaluations_semantic } });
    const attempts = async (id: string | undefined) => {
      const response = await fetch(`${server.url}/v1/subjects/${id}`, { headers: { Authorization: `Bearer ${KEY}` } });
      return response.status === 404 ? 0 : (await response.json()).counters.attempts_1m;
    };
    expect(await attempts(one?.id)).toBe(1);
    expect(await attempts(two?.id)).toBe(ofTheSecond);
  });

  describe('the metadata', () => {
    test('The metadata names this decision point, its two endpoints and its obligations, to anybody', async () => {
      const response = await fetch(`${server.url}/.well-known/authzen-configuration`);
      expect(response.status).toBe(200);
      expect(response.headers.get('content-type')).toMatch(/^application\/json/);
      expect(await response.json()).toEqual({
        policy_decision_point: server.url,
        access_evaluation_endpoint: `${server.url}/access/v1/evaluation`,
        access_evaluations_endpoint: `${server.url}/access/v1/evaluations`,
        supported_obligations: ['step-up'],
      });
    });

    test('The metadata names the public address where one is set, whatever Host a request has', async () => {
      const behind = await serve('authzen-certification', { PUBLIC_URL: 'https://pdp.example/stepgate/' });
      const response = await fetch(`${behind.url}/.well-known/authzen-configuration`);
      expect(await response.json()).toMatchObject({
        policy_decision_point: 'https://pdp.example/stepgate',
        access_evaluation_endpoint: 'https://pdp.example/stepgate/access/v1/evaluation',
      });
      await behind.stop();
    });
  });

  /** @see https://authzen-interop.net/docs/category/scenarios */
  describe('the policy of the AuthZEN interop', () => {
    let interop: Service;
    beforeAll(async () => {
      interop = await serve('authzen-interop');
    });
    afterAll(() => interop.stop());

    const ask = async (kind: string, body: unknown): Promise<Reply['body']> =>
      (await send(`${interop.url}/access/v1/${kind}`, body)).body;
    const person = (code: string) => `CiRm${code}MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs`;

    test.each([
      ['rick', 'ZDA2', 'can_delete_todo', 'morty@the-citadel.com', true],
      ['morty', 'ZDE2', 'can_update_todo', 'morty@the-citadel.com', true],
      ['morty', 'ZDE2', 'can_update_todo', 'rick@the-citadel.com', false],
      ['summer', 'ZDI2', 'can_delete_todo', 'summer@the-smiths.com', true],
      ['beth', 'ZDM2', 'can_create_todo', 'beth@the-smiths.com', false],
      ['jerry', 'ZDQ2', 'can_read_todos', 'rick@the-citadel.com', true],
    ])('%s (%s) %s of %s: %s', async (_, code, name, ownerID, decision) => {
      const resource = { type: 'todo', id: 'todo-1', properties: { ownerID } };
      const body = { subject: { type: 'user', id: person(code) }, action: { name }, resource };
      expect((await ask('evaluation', body)).decision).toBe(decision);
    });

    interface Case {
      readonly request: unknown;
      readonly expected: boolean | readonly { readonly decision: boolean }[];
    }
    const casesIn = (file: string): { readonly [kind: string]: readonly Case[] } | null => {
      const url = new URL(`../../../../shared/data/authzen/${file}`, import.meta.url);
      if (existsSync(url)) return JSON.parse(readFileSync(url, 'utf8'));
      console.info(`${file} is not there: its cases of the AuthZEN interop are not run`);
      return null;
    };

    test.each([
      ['gateway-decisions.json', 'evaluation', 25],
      ['todo-decisions.json', 'evaluation', 40],
      ['todo-decisions.json', 'evaluations', 3],
    ])('Every case of %s (%s) comes out as published, where the file is there', async (file, kind, published) => {
      const all = casesIn(file);
      if (all === null) return;
      const cases = all[kind] ?? [];
      expect(cases).toHaveLength(published);
      let passed = 0;
      for (const { request, expected } of cases) {
        const body = await ask(kind, request);
        const found = kind === 'evaluation' ? body.decision : body.evaluations?.map(({ decision }) => ({ decision }));
        expect(found, JSON.stringify(request)).toEqual(expected);
        passed++;
      }
      console.info(`AuthZEN interop, ${file}, ${kind}: ${passed} of ${cases.length} passed`);
    });
  });
}
