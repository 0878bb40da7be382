import { expect, test } from 'vitest';
import { batched } from '../../../../src/store/redis/batch.ts';

function gathered(most: number, answer: (questions: readonly number[]) => Promise<readonly string[]>) {
  const asked: (readonly number[])[] = [];
  const goes: (() => void)[] = [];
  const ask = batched<number, string>(
    (questions) => {
      asked.push(questions);
      return answer(questions);
    },
    { most, later: (go) => goes.push(go) },
  );
  const go = (): void => {
    for (const next of goes.splice(0)) next();
  };
  return { ask, go, asked };
}

const told = async (questions: readonly number[]) => questions.map((question) => `answer ${question}`);

test('What is asked before the time has come goes together, and each gets its own answer', async () => {
  const { ask, go, asked } = gathered(10, told);
  const answers = [1, 2, 3].map(ask);
  expect(asked).toEqual([]);
  go();
  expect(await Promise.all(answers)).toEqual(['answer 1', 'answer 2', 'answer 3']);
  const later = ask(4);
  go();
  expect(await later).toBe('answer 4');
  expect(asked).toEqual([[1, 2, 3], [4]]);
});

test('No more than the most go together', async () => {
  const { ask, go, asked } = gathered(2, told);
  const answers = [1, 2, 3, 4, 5].map(ask);
  go();
  expect(await Promise.all(answers)).toEqual([1, 2, 3, 4, 5].map((n) => `answer ${n}`));
  expect(asked).toEqual([[1, 2], [3, 4], [5]]);
});

test('A question that fails takes those beside it along and none after it', async () => {
  let fails = true;
  const { ask, go } = gathered(10, async (questions) => {
    if (fails) throw new RangeError('no answer');
    return told(questions);
  });
  const settled = Promise.allSettled([1, 2].map(ask));
  go();
  expect((await settled).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  fails = false;
  const next = ask(3);
  go();
  expect(await next).toBe('answer 3');
});

test('Where an answer is missing, it is undefined', async () => {
  const { ask, go } = gathered(10, async () => ['only one']);
  const answers = [1, 2].map(ask);
  go();
  expect(await Promise.all(answers)).toEqual(['only one', undefined]);
});
