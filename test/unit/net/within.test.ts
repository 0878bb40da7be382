import { expect, test } from 'vitest';
import { type Timer, within } from '../../../src/net/within.ts';

/** A timer that the test lets run out. */
function handTimer() {
  const set: { ms: number; run: () => void; isCancelled: boolean }[] = [];
  const timer: Timer = (run, ms) => {
    const one = { ms, run, isCancelled: false };
    set.push(one);
    return () => {
      one.isCancelled = true;
    };
  };
  return { timer, set };
}

test('Work that ends in time gives its value, and the timer is gone', async () => {
  const { timer, set } = handTimer();
  expect(await within(5, Promise.resolve('value'), () => 'late', timer)).toBe('value');
  await Promise.resolve();
  expect(set).toMatchObject([{ ms: 5, isCancelled: true }]);
});

test('Work that fails in time rejects with its error', async () => {
  const { timer } = handTimer();
  const broken = Promise.reject(new Error('broken'));
  await expect(within(5, broken, () => 'late', timer)).rejects.toThrow('broken');
});

test('Late work gives what is made of lateness, a value or a rejection, and its own end is ignored', async () => {
  const { timer, set } = handTimer();
  let fail: (error: Error) => void = () => undefined;
  const never = new Promise<string>((_resolve, reject) => {
    fail = reject;
  });
  const value = within(-1, never, () => 'late', timer);
  const rejection = within(1, never, () => Promise.reject(new Error('too late')), timer);
  for (const { run } of set) run();
  fail(new Error('nobody hears this'));
  expect(await value).toBe('late');
  await expect(rejection).rejects.toThrow('too late');
  expect(set.map(({ ms }) => ms)).toEqual([0, 1]);
});
