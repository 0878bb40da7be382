import fc from 'fast-check';
import { expect, it } from 'vitest';
import { parseStrictJson } from '../../../src/rules/json.ts';

function codes(text: string): string[] {
  const parsed = parseStrictJson(text);
  return parsed.ok ? [] : parsed.problems.map((problem) => `${problem.code} ${problem.path}`.trim());
}

it('The JSON reader takes whatever JSON.stringify writes and gives back the same value', () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 5 }), (text) => {
      fc.pre(!/"(__proto__|constructor|prototype)"/.test(text));
      expect(parseStrictJson(text)).toEqual({ ok: true, value: JSON.parse(text) });
    }),
  );
});

it('The JSON reader never throws, whatever the text', () => {
  fc.assert(fc.property(fc.string(), (text) => void parseStrictJson(text)));
  fc.assert(fc.property(fc.string({ unit: fc.constantFrom(...'{}[],:"\\a1 ') }), (text) => void parseStrictJson(text)));
});

/** @see https://github.com/openchamber/openchamber/pull/2927 */
it('The JSON reader refuses an empty, cut or commented text and takes a byte order mark', () => {
  const whole = '{"rules": [{"id": "r1"}, {"id": "r2"}, {"id": "r3"}]}';
  for (let length = 1; length < whole.length; length++) {
    expect(codes(whole.slice(0, length)), whole.slice(0, length)).toEqual(['json_syntax']);
  }
  expect(codes('')).toEqual(['json_empty']);
  expect(codes('\uFEFF \n')).toEqual(['json_empty']);
  expect(codes('{"rules": [1,]}')).toEqual(['json_syntax']);
  expect(codes('{"rules": []} // all')).toEqual(['json_syntax']);
  expect(parseStrictJson(`\uFEFF${whole}`)).toEqual({ ok: true, value: JSON.parse(whole) });
});

it.each([
  ['a comma before the end of a list', '{\n  "rules": [\n    {},\n  ]\n}', "line 4, column 3: Unexpected token ']'"],
  ['a comma before the end of an object', '{\n  "a": 1,\n}', 'line 3, column 1: Expected double-quoted property name'],
  ['a comment', '// policy\n{}', "line 1, column 1: Unexpected token '/'"],
  ['a misspelt word', '{"a":\n nulx}', "line 2, column 5: Unexpected token 'x'"],
  ['a missing end', '{\n "a":', 'line 2, column 6: Unexpected end of JSON input'],
  ['a word of another language', 'undefined', 'line 1, column 1: "undefined" is not valid JSON'],
])('The JSON reader says at which line and column it met %s', (_what, text, expected) => {
  const parsed = parseStrictJson(text);
  expect(parsed.ok ? '' : parsed.problems[0]?.message).toBe(
    `Not JSON at ${expected}. Comments and trailing commas are not allowed.`,
  );
});

/** @see https://github.com/node-config/node-config/issues/906 */
it('The JSON reader refuses keys that reach a prototype, however they are spelt, and says where they stand', () => {
  expect(codes('{"rules":[],"__proto__":{"trusted":true}}')).toEqual(['json_forbidden_key __proto__']);
  expect(codes('{"constructor":{"prototype":{"trusted":true}}}')).toEqual([
    'json_forbidden_key constructor',
    'json_forbidden_key constructor.prototype',
  ]);
  expect(codes('{"a":[1,{"\\u005f_proto__":1}]}')).toEqual(['json_forbidden_key a[1].__proto__']);
  expect(codes('{"a":"__proto__"}')).toEqual([]);
  expect(({} as { trusted?: unknown }).trusted).toBeUndefined();
  const parsed = parseStrictJson('{\n  "a": 1,\n  "prototype": 2\n}');
  expect(parsed.ok ? '' : parsed.problems[0]?.message).toContain('line 3, column 3');
});

it('The JSON reader refuses a key that is given twice in one object but not in two', () => {
  expect(codes('{"a":1,"b":{"a":1},"\\u0061":2}')).toEqual(['json_duplicate_key a']);
  expect(codes('[{"a":1},{"a":1}]')).toEqual([]);
  expect(codes('{"a":{"b":[0,{"c":"x","c":"y"}]}}')).toEqual(['json_duplicate_key a.b[1].c']);
});

/** @see https://github.com/ralfstx/minimal-json/issues/61 */
it('The JSON reader refuses deep nesting before anything recurses into it', () => {
  expect(codes(`${'{"all":['.repeat(5000)}true${']}'.repeat(5000)}`)).toEqual(['json_nesting']);
  expect(codes('['.repeat(100_000))).toEqual(['json_nesting']);
  expect(codes(`${'['.repeat(32)}${']'.repeat(32)}`)).toEqual([]);
  expect(codes(`${'['.repeat(33)}${']'.repeat(33)}`)).toEqual(['json_nesting']);
  expect(codes(JSON.stringify('['.repeat(100)))).toEqual([]);
});
