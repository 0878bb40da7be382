import fc from 'fast-check';
import { z } from 'zod';
import { CANARY, OPEN_ACTION, OPEN_WORD } from './stage.ts';

/** As much of JSON Schema as the OpenAPI document uses. */
export interface Schema {
  readonly type?: string | readonly string[] | undefined;
  readonly enum?: readonly unknown[] | undefined;
  readonly anyOf?: readonly Schema[] | undefined;
  readonly properties?: Readonly<Record<string, Schema>> | undefined;
  readonly required?: readonly string[] | undefined;
  readonly additionalProperties?: Schema | boolean | undefined;
  readonly items?: Schema | undefined;
  readonly minimum?: number | undefined;
  readonly maximum?: number | undefined;
  readonly format?: string | undefined;
}

export const schema: z.ZodType<Schema> = z.lazy(() =>
  z.object({
    type: z.union([z.string(), z.array(z.string())]).optional(),
    enum: z.array(z.unknown()).optional(),
    anyOf: z.array(schema).optional(),
    properties: z.record(z.string(), schema).optional(),
    required: z.array(z.string()).optional(),
    additionalProperties: z.union([schema, z.boolean()]).optional(),
    items: schema.optional(),
    minimum: z.number().optional(),
    maximum: z.number().optional(),
    format: z.string().optional(),
  }),
);

/** Text that somebody has broken something with before. */
const NASTY_TEXTS = [
  ...['', ' ', '\0', 'a\0b', 'a\r\nX-Injected: 1', '\u202eadmin', '\u200b', 'ﬁ', 'Å', 'A\u030a', 'ΑΒΓ', 'user:{1}'],
  ...['sg:{s:x}:tally', '}:tally', '%00', '../../etc/passwd', "' or 1=1 --", '{{7*7}}', '<script>alert(1)</script>'],
  ...['true', 'null', 'NaN', '1e400', '__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', CANARY],
  ...[OPEN_ACTION, OPEN_WORD, `${OPEN_ACTION} `, OPEN_ACTION.toUpperCase(), '127.0.0.1', '::1', '::ffff:127.0.0.1'],
  ...['2130706433', '0x7f.1', '010.0.0.1', '1.2.3', '81.2.69.160:80', '[::1]', 'fe80::1%eth0'],
  ...['eyJhbGciOiJub25lIn0.eyJzdWIiOiJyb290In0.', 'eyJhbGciOiJIUzI1NiIsImtpZCI6ImsxIn0.eyJzdSI6dHJ1ZX0.AAAA'],
  ...['a.b.c', '\ud83d\ude00'.repeat(50), `${'a'.repeat(5000)}!`, '1'.repeat(400), 'urn:stepgate:su'],
  ...['2026-02-30T00:00:00Z', '9999-12-31T23:59:59.999999999999999999Z', '-271821-04-20T00:00:00Z'],
] as const;

export const nastyText = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom(...NASTY_TEXTS) },
  { weight: 1, arbitrary: fc.string() },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
  { weight: 1, arbitrary: fc.string({ unit: 'grapheme', maxLength: 20 }) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.constantFrom('a', 'é', '{', '%', ' '), fc.integer({ min: 1, max: 20_000 }))
      .map(([unit, times]) => unit.repeat(times)),
  },
);

/** What a sound caller sends: enough of it to come past the checks of the shape. */
const plainText = fc.constantFrom(
  ...['u-1', CANARY, OPEN_ACTION, 'login', '81.2.69.160', '2001:db8::1', 'GB', 'b1946ac92492d2347c6235b4d2611184'],
  'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0',
);

const nastyNumber = fc.oneof(
  fc.constantFrom(0, -0, 1, -1, 1e308, -1e308, 5e-324, 2 ** 53, -(2 ** 53), 2 ** 31, 1e21, 0.1 + 0.2),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer(),
);

const nastyName = fc.oneof(
  fc.constantFrom(
    ...['a', 'text', 'word', 'role', 'number', 'list', 'x-forwarded-for', 'Forwarded', 'toString', 'valueOf', 'then'],
    'toJSON',
  ),
  nastyText,
);

/** Any JSON, as values of JavaScript. */
const nastyValue: fc.Arbitrary<unknown> = fc.oneof(
  nastyText,
  nastyNumber,
  fc.boolean(),
  fc.constant(null),
  fc.array(nastyText, { maxLength: 4 }),
  fc.dictionary(nastyName, fc.oneof(nastyText, nastyNumber, fc.constant(null)), { maxKeys: 4 }),
  nested(),
);

function nested(): fc.Arbitrary<unknown> {
  return fc.tuple(fc.integer({ min: 1, max: 60 }), fc.boolean()).map(([depth, isList]) => {
    let value: unknown = 1;
    for (let level = 0; level < depth; level += 1) value = isList ? [value] : { a: value };
    return value;
  });
}

/** Values of this shape for the most part, with hostile ones in any place. */
export function hostileOf(shape: Schema): fc.Arbitrary<unknown> {
  return fc.oneof({ weight: 40, arbitrary: soundValueOf(shape) }, { weight: 1, arbitrary: nastyValue });
}

function soundValueOf(shape: Schema): fc.Arbitrary<unknown> {
  if (shape.anyOf !== undefined) return fc.oneof(...shape.anyOf.map(hostileOf));
  if (shape.enum !== undefined) return fc.constantFrom(...shape.enum);
  if (Array.isArray(shape.type)) return fc.oneof(...shape.type.map((type: string) => hostileOf({ ...shape, type })));
  switch (shape.type) {
    case 'string':
      return shape.format === 'date-time'
        ? fc.oneof(recentMoment, nastyText)
        : fc.oneof({ weight: 6, arbitrary: plainText }, { weight: 1, arbitrary: nastyText });
    case 'number':
    case 'integer':
      return fc.oneof(fc.double({ min: shape.minimum ?? -1e6, max: shape.maximum ?? 1e6, noNaN: true }), nastyNumber);
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    case 'array':
      return fc.array(hostileOf(shape.items ?? {}), { maxLength: 5 });
    case 'object':
      return objectOf(shape);
    default:
      return nastyValue;
  }
}

const recentMoment = fc.integer({ min: -3600, max: 60 }).map((s) => new Date(Date.now() + s * 1000).toISOString());

function objectOf({ properties = {}, required = [], additionalProperties }: Schema): fc.Arbitrary<unknown> {
  const known = fc.record(
    Object.fromEntries(Object.entries(properties).map(([name, shape]) => [name, hostileOf(shape)])),
    {
      requiredKeys: required.filter((name) => name in properties),
      noNullPrototype: true,
    },
  );
  const free = typeof additionalProperties === 'object' ? hostileOf(additionalProperties) : nastyValue;
  // Where no other keys are taken, one of them spoils the whole.
  const more = fc.dictionary(nastyName, free, { maxKeys: 3, noNullPrototype: true });
  const rarely = additionalProperties === false || additionalProperties === undefined;
  return fc
    .tuple(known, more, fc.integer({ min: 0, max: rarely ? 40 : 1 }))
    .map(([object, others, chance]) => (chance === 0 ? withOwn(others, object) : object));
}

/** `{...a, ...b}` would set the prototype where a key is called `__proto__`. */
function withOwn(...objects: readonly object[]): object {
  return Object.fromEntries(objects.flatMap((object) => Object.entries(object)));
}

/** How a text of JSON is spoilt so that it is another one, or none. */
export const spoiling: fc.Arbitrary<(json: Buffer) => Buffer> = fc.oneof(
  fc.nat().map((at) => (json: Buffer) => json.subarray(0, at % (json.length + 1))),
  fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })).map(([at, byte]) => (json: Buffer) => {
    const copy = Buffer.from(json);
    if (copy.length > 0) copy[at % copy.length] = byte;
    return copy;
  }),
  fc.tuple(fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 8 })).map(([at, bytes]) => (json: Buffer) => {
    const cut = at % (json.length + 1);
    return Buffer.concat([json.subarray(0, cut), bytes, json.subarray(cut)]);
  }),
  fc
    .constantFrom(
      '"__proto__":{"polluted":1},',
      '"constructor":{"prototype":{"polluted":1}},',
      `"action":"${OPEN_ACTION}","context":{"word":"${OPEN_WORD}"},`,
      '"subject":"root",',
      '"\\u0061ction":"x",',
      '"a":1e999,',
      '"a":-0,',
      '"a":0x10,',
      '"a":01,',
      '"a":NaN,',
      '"a":"\\ud800",',
      '"a":\'x\',',
      '"a":[1,],',
      '/**/',
      `"a":${'['.repeat(5000)}`,
      `"a":${'{"b":'.repeat(5000)}1`,
      `"a":"${'\\u0000'.repeat(1000)}",`,
      `"a":${'9'.repeat(5000)},`,
      `"a":"${'x'.repeat(70_000)}",`,
      `${Array.from({ length: 3000 }, (_, i) => `"k${i}":${i},`).join('')}`,
    )
    .map((text) => (json: Buffer) => Buffer.concat([Buffer.from('{'), Buffer.from(text), json.subarray(1)])),
  fc
    .constantFrom('\ufeff', ' \n\t', '[', '\0', '{}', ")]}'\n")
    .map((text) => (json: Buffer) => Buffer.concat([Buffer.from(text), json])),
  fc
    .constantFrom('{}', ']', '\0', '\n//', ',')
    .map((text) => (json: Buffer) => Buffer.concat([json, Buffer.from(text)])),
  fc.constant((json: Buffer) => Buffer.from(json.toString(), 'utf16le')),
  fc.constant((json: Buffer) => Buffer.from(json.toString(), 'latin1')),
  // Overlong and cut UTF-8, and surrogates written as bytes.
  fc
    .constantFrom([0xc0, 0xaf], [0xe0, 0x80, 0xaf], [0xed, 0xa0, 0x80], [0xf8, 0x88, 0x80, 0x80, 0x80], [0xc3], [0xff])
    .map(
      (bytes) => (json: Buffer) =>
        Buffer.from(json.toString('latin1').replace(/"(\w)/, `"${String.fromCharCode(...bytes)}$1`), 'latin1'),
    ),
);
