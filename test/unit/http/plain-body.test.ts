import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { riskCheckBody } from '../../../src/contract/body.ts';
import { parseObject } from '../../../src/http/body.ts';
import { plainRiskCheck } from '../../../src/http/plain-body.ts';

const USUAL = {
  subject: 'Ann@Example.org',
  subject_space: 'default',
  subject_type: 'user',
  action: 'payment.transfer',
  ip: '2001:db8::1',
  session: 's-9f2',
  user_agent: 'Mozilla/5.0',
  device: {
    fingerprint: 'b1946ac92492d2347c6235b4d2611184',
    token: 'eyJ.x.y',
    confidence: 0.6,
    bot: false,
    components: { canvas: 'a1b2', fonts: 'c3d4' },
  },
  step_up_token: 'eyJ.a.b',
  subject_properties: { role: 'admin' },
  context: { amount: 1200, basket: [{ sku: 'a' }] },
  dry_run: false,
};

/** Texts around every bound of the schema, some with what must not stand in them. */
const text = fc.oneof(
  fc.string({ maxLength: 6 }),
  fc.string({ unit: 'binary', maxLength: 6 }),
  fc.constantFrom('', ' ', '\u0000', 'a\u0007', 'a\u200bb', '127.0.0.1', '::1', '010.0.0.1', 'ann@example.org', 'true'),
  fc.constantFrom(64, 65, 256, 257, 1024, 1025, 8192, 8193, 16_384, 16_385).map((length) => 'x'.repeat(length)),
);
const anything = fc.oneof(
  text,
  fc.constantFrom(null, true, false, 0, 1, 0.5, -0.1, 1.1, [], {}),
  fc.dictionary(text, fc.oneof(text, fc.constant(1)), { maxKeys: 3 }),
  fc.array(text, { maxLength: 2 }),
  fc.constantFrom(8, 9).map((depth) => JSON.parse(`${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`)),
  fc.constantFrom(64, 65).map((count) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`n${i}`, 'v']))),
);

/** A usual body with some parts taken out, replaced or added. */
function changed<T extends object>(usual: T, changes: fc.Arbitrary<{ [key: string]: unknown }>): fc.Arbitrary<object> {
  return fc
    .tuple(fc.subarray(Object.entries(usual)), changes)
    .map(([kept, more]) => ({ ...Object.fromEntries(kept), ...more }));
}

const keysOf = (usual: object) => fc.constantFrom(...Object.keys(usual), 'geo', 'peer_ip', 'occurred_at', 'other');
const devices = changed(USUAL.device, fc.dictionary(keysOf(USUAL.device), anything, { maxKeys: 2 }));
const bodies = changed(
  USUAL,
  fc.oneof(
    fc.dictionary(keysOf(USUAL), anything, { maxKeys: 2 }),
    devices.map((device) => ({ device })),
  ),
);

/** As it comes from the wire. */
const sent = (body: object) => parseObject(JSON.stringify(body));

describe('a usual body of a check', () => {
  test('A usual body of a check is taken without the schema, whole or with any of its parts but the action left out', () => {
    expect(plainRiskCheck(sent(USUAL))).toEqual(riskCheckBody.parse(sent(USUAL)));
    for (const key of Object.keys(USUAL)) {
      const { [key]: _without, ...rest } = USUAL as { [key: string]: unknown };
      expect(plainRiskCheck(sent(rest)) === null, key).toBe(key === 'action');
    }
  });

  test.each([
    'action',
    'session',
    'subject',
    'subject_type',
    'step_up_token',
    'user_agent',
    'device.fingerprint',
    'device.token',
  ])('A usual body of a check has a %s as long as the schema takes, and not longer', (field) => {
    const [name = '', inner] = field.split('.');
    for (const length of [0, 1, 256, 257, 1024, 1025, 8192, 8193, 16_384, 16_385]) {
      const long = 'x'.repeat(length);
      const body = sent({ ...USUAL, [name]: inner === undefined ? long : { [inner]: long } });
      expect(plainRiskCheck(body) !== null, `${length}`).toBe(riskCheckBody.safeParse(body).success);
    }
  });

  test('A usual body of a check is never taken where the schema refuses it, and always read as the schema reads it', () => {
    let taken = 0;
    fc.assert(
      fc.property(bodies, (body) => {
        const plain = plainRiskCheck(sent(body));
        if (plain === null) return;
        taken += 1;
        expect({ success: true, data: plain }).toEqual(riskCheckBody.safeParse(sent(body)));
      }),
      { numRuns: 3000 },
    );
    expect(taken).toBeGreaterThan(300);
  });
});
