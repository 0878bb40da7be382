import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  PENDING_SECONDS,
  type PendingStepUp,
  pendingCookieName,
  pendingCookies,
  pendingSeal,
} from '../../../src/broker/pending.ts';

const NOW_MS = Date.UTC(2026, 10, 25);
const SECRETS = ['a'.repeat(32), 'b'.repeat(32)];
const STEP_UP: PendingStepUp = {
  issuer: 'https://id.example',
  state: 's'.repeat(43),
  nonce: 'n',
  verifier: 'v',
  subject: 'ann',
  space: 'default',
  session: null,
  acrValues: ['2'],
  maxAgeSeconds: 0,
  returnTo: 'https://shop.example/',
  redirectUri: 'https://shop.example/.stepgate/callback',
};

describe('a pending step-up', () => {
  test('A pending step-up comes back as it was sealed, until its ten minutes are over', async () => {
    const seal = pendingSeal(SECRETS);
    const text = await seal.seal(STEP_UP, NOW_MS);
    expect(await seal.open(text, NOW_MS)).toEqual(STEP_UP);
    expect(await seal.open(text, NOW_MS + (PENDING_SECONDS - 1) * 1000)).toEqual(STEP_UP);
    expect(await seal.open(text, NOW_MS + PENDING_SECONDS * 1000)).toBeNull();
  });

  test('A pending step-up is opened by any of the secrets, and by no other', async () => {
    const [first = '', second = ''] = SECRETS;
    const text = await pendingSeal([second]).seal(STEP_UP, NOW_MS);
    expect(await pendingSeal([first, second]).open(text, NOW_MS)).toEqual(STEP_UP);
    expect(await pendingSeal(['c'.repeat(32)]).open(text, NOW_MS)).toBeNull();
  });

  test('A pending step-up tells the browser nothing', async () => {
    const text = await pendingSeal(SECRETS).seal(STEP_UP, NOW_MS);
    const read = text.split('.').map((part) => Buffer.from(part, 'base64url').toString());
    expect(read.join()).not.toContain('ann');
    expect(read.join()).not.toContain('shop.example');
  });

  test('A pending step-up that anybody changed is none', async () => {
    const seal = pendingSeal(SECRETS);
    const text = await seal.seal(STEP_UP, NOW_MS);
    await fc.assert(
      fc.asyncProperty(fc.nat(text.length - 1), fc.constantFrom('A', 'b', '.', '-'), async (at, sign) => {
        fc.pre(text[at] !== sign);
        const changed = text.slice(0, at) + sign + text.slice(at + 1);
        const opened = await seal.open(changed, NOW_MS);
        // The last sign of a part may hold bits that nothing reads.
        if (opened !== null) expect(opened).toEqual(STEP_UP);
      }),
      { numRuns: 50 },
    );
    for (const other of ['', 'x', 'a.b.c.d.e', 'eyJhbGciOiJub25lIn0..'])
      expect(await seal.open(other, NOW_MS)).toBeNull();
  });

  test('Cookies of pending step-ups are told from others by their name', () => {
    const name = pendingCookieName(STEP_UP.state);
    expect(name).toBe(`__Host-stepgate-pending-${'s'.repeat(16)}`);
    expect(pendingCookies(`session=x; ${name}=a.b; __Host-stepgate-su=c; =`)).toEqual([{ name, value: 'a.b' }]);
    expect(pendingCookies(null)).toEqual([]);
  });
});
