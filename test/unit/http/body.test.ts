import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MAX_BODY_BYTES, parseObject } from '../../../src/http/body.ts';
import { ProblemError } from '../../../src/http/problem.ts';
import { MAX_JSON_NESTING } from '../../../src/model/json-text.ts';
import { AUTHORIZED, scene } from '../../support/scene.ts';

interface ProblemDocument {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly errors?: readonly { readonly path: string; readonly message: string }[];
}

async function problemIn(response: Response): Promise<ProblemDocument> {
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  expect(response.headers.get('x-request-id')).toBeTruthy();
  const document = (await response.json()) as ProblemDocument;
  expect(document).toMatchObject({
    type: expect.any(String),
    title: expect.any(String),
    status: response.status,
    detail: expect.any(String),
  });
  return document;
}

function refusalOf(text: string): ProblemError | null {
  try {
    parseObject(text);
    return null;
  } catch (error) {
    if (error instanceof ProblemError) return error;
    throw error;
  }
}

function streamOf(chunks: number, chunk: Uint8Array): { body: ReadableStream<Uint8Array>; read: () => number } {
  let sent = 0;
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        if (sent === chunks) controller.close();
        else {
          sent++;
          controller.enqueue(chunk);
        }
      },
    },
    { highWaterMark: 0 },
  );
  return { body, read: () => sent * chunk.byteLength };
}

describe('a body that is no JSON object', () => {
  /** @see https://github.com/honojs/hono/issues/562 */
  test.each([
    ['{', 'invalid_json'],
    ['', 'empty_body'],
    ['  \n', 'empty_body'],
    ['null', 'invalid_request'],
    ['[]', 'invalid_request'],
    ['"x"', 'invalid_request'],
    ['12', 'invalid_request'],
    ['{"action":"a"}garbage', 'invalid_json'],
    ['{"action":"a"}{}', 'invalid_json'],
    ["{'action':'a'}", 'invalid_json'],
    ['{"action":NaN}', 'invalid_json'],
  ])('%s is a 400 problem with code %s', async (body, code) => {
    const response = await scene().post('/v1/risk-check', body);
    expect(response.status).toBe(400);
    expect((await problemIn(response)).code).toBe(code);
  });

  test('A body that is no JSON object is refused without an excerpt, since it may hold a token', async () => {
    const response = await scene().post('/v1/risk-check', '{"step_up_token": eyJhbGciOi}');
    expect(await response.text()).not.toContain('eyJ');
  });

  test('Bytes that are not UTF-8 are a 400 problem', async () => {
    const response = await scene().app.request('/v1/risk-check', {
      method: 'POST',
      headers: AUTHORIZED,
      body: new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]),
    });
    expect(response.status).toBe(400);
    expect((await problemIn(response)).code).toBe('invalid_encoding');
  });

  test('A missing body is a 400 problem', async () => {
    const response = await scene().app.request('/v1/risk-check', { method: 'POST', headers: AUTHORIZED });
    expect(response.status).toBe(400);
    expect((await problemIn(response)).code).toBe('empty_body');
  });

  test.each(['text/plain', 'application/x-www-form-urlencoded', 'application/json; charset=latin1'])(
    'The media type %s is a 415 problem',
    async (mediaType) => {
      const response = await scene().post('/v1/risk-check', '{"action":"a"}', { 'Content-Type': mediaType });
      expect(response.status).toBe(415);
      expect((await problemIn(response)).code).toBe('unsupported_media_type');
    },
  );

  test.each([
    'application/json',
    'application/json; charset=UTF-8',
    'application/json;charset="utf-8"',
    'APPLICATION/JSON',
  ])('The media type %s is taken', async (mediaType) => {
    const response = await scene().post('/v1/risk-check', '{"action":"a"}', { 'Content-Type': mediaType });
    expect(response.status).toBe(200);
  });
});

describe('a body that JSON.parse would take', () => {
  /** @see https://github.com/honojs/hono/issues/562 */
  test('A body that JSON.parse would take may begin with a byte order mark', async () => {
    expect((await scene().post('/v1/risk-check', '\ufeff{"action":"a"}')).status).toBe(200);
  });

  test.each([
    ['{"action":"a","action":"b"}', 'action'],
    ['{"action":"a","\\u0061ction":"b"}', 'action'],
    ['{"action":"a","context":{"list":[{"x":1},{"y":1,"y":1}]}}', 'context.list[1].y'],
    ['{"a":{"x":1},"b":{"x":1,"y":{},"x":2}}', 'b.x'],
  ])('A body that JSON.parse would take is refused with the path when it names a key twice: %s', (text, path) => {
    const refusal = refusalOf(text);
    expect(refusal?.code).toBe('duplicate_key');
    expect(refusal?.faults[0]?.path).toBe(path);
  });

  test('A body that JSON.parse would take is not taken for one with a double key because of colons, braces and quotes in its strings', () => {
    const value = { 'a:b"{': ':::"\\', list: ['{"x":1,"x":2}', { x: { x: { x: '\\"' } } }] };
    expect(parseObject(JSON.stringify(value))).toEqual(value);
  });

  test('Numbers beyond double precision are refused with their path', () => {
    expect(refusalOf('{"context":{"amount":[1,1e999]}}')?.faults).toEqual([
      { path: 'context.amount[1]', message: 'is too large for a double-precision number' },
    ]);
  });

  test('Unpaired surrogates are refused with their path', () => {
    expect(refusalOf('{"subject":"\\ud800"}')?.faults[0]?.path).toBe('subject');
    expect(refusalOf('{"context":{"\\ud800":1}}')?.faults[0]?.path).toBe('context');
  });

  /** @see https://github.com/node-config/node-config/issues/906 */
  test.each([
    ['{"action":"a","__proto__":{"trusted":true}}', '__proto__'],
    ['{"action":"a","context":{"x":{"__proto__":{"trusted":true}}}}', 'context.x.__proto__'],
    ['{"action":"a","context":{"constructor":{"prototype":{"trusted":true}}}}', 'context.constructor'],
    ['{"action":"a","headers":{"prototype":"x"}}', 'headers.prototype'],
    ['{"action":"a","context":{"\\u005f_proto__":{"trusted":true}}}', 'context.__proto__'],
  ])('A key that reaches a prototype is refused with its path: %s', async (text, path) => {
    const response = await scene().post('/v1/risk-check', text);
    expect(response.status).toBe(400);
    expect((await problemIn(response)).errors).toContainEqual({ path, message: 'is a forbidden key' });
    expect(({} as { trusted?: boolean }).trusted).toBeUndefined();
  });

  test('Any JSON object within the limits comes through unchanged', () => {
    const forbidden = ['__proto__', 'constructor', 'prototype'];
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 6 })), (value) => {
        const text = JSON.stringify(value);
        fc.pre(!forbidden.some((name) => text.includes(name)) && text.isWellFormed());
        expect(parseObject(text)).toEqual(JSON.parse(text));
      }),
    );
  });
});

describe('nesting', () => {
  /** @see https://github.com/ralfstx/minimal-json/issues/61 */
  test.each([
    ['[', 60_000],
    ['{"a":', 12_000],
  ])('%s repeated %i times is a 400 problem, and the process goes on', async (open, times) => {
    const { post } = scene();
    const response = await post('/v1/risk-check', open.repeat(times));
    expect(response.status).toBe(400);
    expect(await problemIn(response)).toMatchObject({
      code: 'nesting_too_deep',
      detail: expect.stringContaining('nesting over 32'),
    });
    expect((await post('/v1/risk-check', { action: 'a' })).status).toBe(200);
  });

  test('A hundred thousand brackets exceed the size as well and are refused by it', async () => {
    expect((await scene().post('/v1/risk-check', '['.repeat(100_000))).status).toBe(413);
    expect(refusalOf('['.repeat(100_000))?.code).toBe('nesting_too_deep');
  });

  test(`Nesting up to ${MAX_JSON_NESTING} levels parse, one more does not`, () => {
    const nested = (levels: number) => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`;
    expect(refusalOf(nested(MAX_JSON_NESTING))).toBeNull();
    expect(refusalOf(nested(MAX_JSON_NESTING + 1))?.code).toBe('nesting_too_deep');
  });

  test('Brackets inside strings do not count', () => {
    expect(refusalOf(JSON.stringify({ a: '[{'.repeat(100), b: '\\"[['.repeat(50) }))).toBeNull();
  });
});

describe('the size of a body', () => {
  const padded = (bytes: number) => `{"action":"a","context":{"pad":"${'x'.repeat(bytes - 35)}"}}`;

  test('The size of a body may be 64 KiB to the byte, and not one more', async () => {
    const { post } = scene();
    expect(padded(MAX_BODY_BYTES)).toHaveLength(MAX_BODY_BYTES);
    expect((await post('/v1/risk-check', padded(MAX_BODY_BYTES))).status).toBe(200);
    const response = await post('/v1/risk-check', padded(MAX_BODY_BYTES + 1));
    expect(response.status).toBe(413);
    expect((await problemIn(response)).code).toBe('body_too_large');
  });

  /** @see https://github.com/honojs/hono/pull/5278 */
  test.each([undefined, 'abc', '1e3', '10', '0x10', '-1', '99999999999'])(
    'The size of a body is counted while reading, whatever Content-Length says: %s',
    async (contentLength) => {
      const { body, read } = streamOf(1000, new Uint8Array(1000).fill(0x20));
      const response = await scene().app.request('/v1/risk-check', {
        method: 'POST',
        headers: { ...AUTHORIZED, ...(contentLength !== undefined && { 'Content-Length': contentLength }) },
        body,
        duplex: 'half',
      } as RequestInit);
      expect(response.status).toBe(413);
      expect((await problemIn(response)).code).toBe('body_too_large');
      expect(read()).toBeLessThanOrEqual(MAX_BODY_BYTES + 1000);
    },
  );
});
