import { describe, expect, test } from 'vitest';
import { bindingOf, type DeviceKey, keyHash, type ProvenKey, withKey } from '../../../src/model/device-key.ts';

const page = (letter: string): ProvenKey => ({ kind: 'page', thumbprint: letter.repeat(43) });
const dbsc = (letter: string): ProvenKey => ({ kind: 'dbsc', thumbprint: letter.repeat(43) });
const on = ({ kind, thumbprint }: ProvenKey, since: number): DeviceKey => ({ kind, hash: keyHash(thumbprint), since });

describe('the binding of a device', () => {
  test('A device is bound to no key if neither its record nor its token names one', () => {
    expect(bindingOf([], [], [page('a')])).toBeNull();
  });

  test('A device that its record or its token binds is proven by that key alone', () => {
    for (const [recorded, named, since] of [
      [[on(page('a'), 7)], [], 7],
      [[], [page('a')], null],
      [[on(page('a'), 7)], [page('a')], 7],
    ] as const) {
      expect(bindingOf(recorded, named, [])).toEqual({ since, proven: false, changed: null });
      expect(bindingOf(recorded, named, [page('a')])).toEqual({ since, proven: true, changed: false });
      expect(bindingOf(recorded, named, [page('b')])).toEqual({ since, proven: false, changed: true });
    }
  });

  test('The record decides where an older token names another key', () => {
    expect(bindingOf([on(page('b'), 9)], [page('a')], [page('a')])).toEqual({ since: 9, proven: false, changed: true });
    expect(bindingOf([on(page('b'), 9)], [page('a')], [page('b')])).toEqual({ since: 9, proven: true, changed: false });
  });

  test('A key of one kind proves possession where that of the other kind was not asked for or has changed', () => {
    const both = [on(page('a'), 5), on(dbsc('c'), 9)];
    expect(bindingOf(both, [], [])).toEqual({ since: 9, proven: false, changed: null });
    expect(bindingOf(both, [], [page('a')])).toEqual({ since: 5, proven: true, changed: false });
    expect(bindingOf(both, [], [dbsc('c'), page('b')])).toEqual({ since: 9, proven: true, changed: true });
    expect(bindingOf([on(dbsc('c'), 9)], [], [page('a')])).toEqual({ since: 9, proven: false, changed: null });
  });
});

test('A device has one key of a kind, and binding the same one again leaves its age', () => {
  const hash = keyHash('a'.repeat(43));
  const keys = withKey([], 'page', { hash, since: 5 });
  expect(keys).toEqual([{ kind: 'page', hash, since: 5 }]);
  expect(withKey(keys, 'page', { hash, since: 9 })).toEqual(keys);
  expect(withKey(keys, 'page', { hash: 'other', since: 9 })).toEqual([{ kind: 'page', hash: 'other', since: 9 }]);
  expect(withKey([...keys, on(dbsc('c'), 6)], 'page', null)).toEqual([on(dbsc('c'), 6)]);
});
