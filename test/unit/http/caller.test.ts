import { beforeEach, describe, expect, test, vi } from 'vitest';
import { callers } from '../../../src/http/caller.ts';
import type { ApiKey, Right } from '../../../src/model/api-keys.ts';

/** How often each byte of each digest was read, in the order in which the digests were made. */
const reads = vi.hoisted((): number[][] => []);

/** Digests are real; only the bytes tell when they are read. */
vi.mock('@noble/hashes/sha2.js', async (original) => {
  const { sha256, ...rest } = await original<typeof import('@noble/hashes/sha2.js')>();
  return {
    ...rest,
    sha256: (bytes: Uint8Array): Uint8Array => {
      const digest = sha256(bytes);
      const counts = Array.from(digest, () => 0);
      reads.push(counts);
      return new Proxy(digest, {
        get(target, name) {
          const at = typeof name === 'string' ? Number(name) : Number.NaN;
          if (at in counts) counts[at] = (counts[at] ?? 0) + 1;
          return Reflect.get(target, name, target);
        },
      });
    },
  };
});

const { sha256 } = await vi.importActual<typeof import('@noble/hashes/sha2.js')>('@noble/hashes/sha2.js');
const digestOf = (text: string): Uint8Array => sha256(new TextEncoder().encode(text));
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

const RIGHTS: readonly Right[] = ['check'];

/** Every byte of a digest, read so many times. */
const everyByte = (times: number): number[] => Array.from({ length: 32 }, () => times);

beforeEach(() => {
  reads.length = 0;
});

describe('a credential is compared with every byte of every key', () => {
  const SECRETS = ['the-key-of-the-first', 'the-key-of-the-second', 'the-key-of-the-third'];

  test.each([
    ['is the first key', SECRETS[0], 'caller-0'],
    ['is the key in the middle', SECRETS[1], 'caller-1'],
    ['is the last key', SECRETS[2], 'caller-2'],
    ['is nobody’s', 'a-key-that-nobody-has', null],
    ['is one character', 'x', null],
    ['is as long as one may be', 'x'.repeat(512), null],
  ])('A credential is compared with every byte of every key where it %s', (_what, credential = '', name) => {
    const find = callers(
      SECRETS.map((secret, i): ApiKey => ({ name: `caller-${i}`, rights: RIGHTS, kind: 'secret', secret })),
    );
    const known = [...reads];
    expect(known).toHaveLength(SECRETS.length);
    for (const counts of known) counts.fill(0);
    reads.length = 0;

    // Asked twice: what was presented before must not shorten the way either.
    for (const times of [1, 2]) {
      expect(find(credential)?.name ?? null).toBe(name);
      expect(reads).toHaveLength(times);
      expect(reads.at(-1)).toEqual(everyByte(SECRETS.length));
      expect(known).toEqual(SECRETS.map(() => everyByte(times)));
    }
  });

  test.each([0, 15, 31])(
    'A credential is compared with every byte of every key where its digest differs from that of a key in byte %i alone',
    (at) => {
      const near = digestOf('presented').with(at, (digestOf('presented')[at] ?? 0) ^ 1);
      const keys: ApiKey[] = [near, digestOf('other')].map((bytes, i) => ({
        name: `caller-${i}`,
        rights: RIGHTS,
        kind: 'sha256',
        hex: hexOf(bytes),
      }));
      expect(callers(keys)('presented')).toBeNull();
      expect(reads).toEqual([everyByte(keys.length)]);
    },
  );
});

test('A key given by its digest is found among those given as they are', () => {
  const find = callers([
    { name: 'plain', rights: RIGHTS, kind: 'secret', secret: 'a-secret-of-its-own' },
    { name: 'hashed', rights: RIGHTS, kind: 'sha256', hex: hexOf(digestOf('never-written-down')) },
  ]);
  expect(find('never-written-down')?.name).toBe('hashed');
  expect(find('a-secret-of-its-own')?.name).toBe('plain');
  expect(find(hexOf(digestOf('never-written-down')))).toBeNull();
});

test('What is empty or longer than any key is not even hashed', () => {
  const find = callers([{ name: 'plain', rights: RIGHTS, kind: 'secret', secret: 'a-secret-of-its-own' }]);
  reads.length = 0;
  expect(find('')).toBeNull();
  expect(find('x'.repeat(513))).toBeNull();
  expect(reads).toEqual([]);
});
