import { expect, test } from 'vitest';
import { compileRules } from '../../../src/rules/compile.ts';
import { FACT_CATALOG } from '../../../src/signals/index.ts';
import { RULES_KEY, rulesInKv } from '../../../src/worker/rules-kv.ts';

const DAY_MS = 86_400_000;

function filesWith(...ids: string[]) {
  const rules = ids.map((id) => ({ id, when: { 'subject.id': id }, then: { decision: 'deny' } }));
  return [{ name: 'default.json', text: JSON.stringify({ version: 1, rules }) }];
}

/** A namespace, and what was said of its rules. */
function watched(everyMs = 60_000) {
  const namespace = {
    value: null as string | null,
    fault: null as Error | null,
    asked: 0,
    async get(key: string) {
      namespace.asked += 1;
      if (namespace.fault !== null) throw namespace.fault;
      return key === RULES_KEY ? namespace.value : null;
    },
  };
  const live: string[][] = [];
  const refused: string[] = [];
  const bundled = compileRules(filesWith('bundled'), FACT_CATALOG);
  const kv = rulesInKv({
    namespace,
    catalog: FACT_CATALOG,
    bundled,
    everyMs,
    onSwap: (next) => live.push([next.revision === bundled.revision ? 'bundled' : 'new', `${next.ruleCount}`]),
    onRefused: ({ message }) => refused.push(message),
  });
  let nowMs = DAY_MS;
  return {
    namespace,
    live,
    refused,
    kv,
    /** Looks again after the pause. */
    look: async () => {
      nowMs += everyMs;
      await kv.due(nowMs)?.();
    },
  };
}

test('Newer rules are taken over, and those of the bundle again when they are deleted', async () => {
  const { namespace, live, look, kv } = watched();
  await look();
  expect(live).toEqual([]);
  namespace.value = JSON.stringify(filesWith('a', 'b'));
  await look();
  await look();
  expect(live).toEqual([['new', '2']]);
  namespace.value = null;
  await look();
  expect(live).toEqual([
    ['new', '2'],
    ['bundled', '1'],
  ]);
  expect(kv.problem()).toBeNull();
});

test('Rules that say the same as those in force are no news', async () => {
  const { namespace, live, look } = watched();
  namespace.value = JSON.stringify(filesWith('bundled'));
  await look();
  expect(live).toEqual([]);
});

test.each([
  ['no JSON', '{', 'build/worker/rules.json'],
  ['something else', '{"default.json":{}}', 'build/worker/rules.json'],
  ['no rules', '[]', 'no rules'],
  ['a broken rule', JSON.stringify([{ name: 'x.json', text: '{"version":1,"rules":[{"id":"x"}]}' }]), 'x.json'],
])('%s is refused once, told, and the rules in force go on', async (_what, value, told) => {
  const { namespace, live, refused, look, kv } = watched();
  namespace.value = JSON.stringify(filesWith('a'));
  await look();
  namespace.value = value;
  await look();
  await look();
  expect(live).toEqual([['new', '1']]);
  expect(refused).toHaveLength(1);
  expect(refused[0]).toContain(told);
  expect(kv.problem()).toContain(told);
  namespace.value = JSON.stringify(filesWith('a'));
  await look();
  expect(kv.problem()).toBeNull();
});

test('A namespace that cannot be read changes nothing, is told, and is asked again', async () => {
  const { namespace, live, look, kv } = watched();
  namespace.value = JSON.stringify(filesWith('a'));
  namespace.fault = new Error('KV GET failed: 429');
  await look();
  expect(live).toEqual([]);
  expect(kv.problem()).toContain('429');
  namespace.fault = null;
  await look();
  expect(live).toEqual([['new', '1']]);
  expect(kv.problem()).toBeNull();
});

test('The namespace is looked at no more often than it should be, however many requests come', () => {
  const { kv } = watched(60_000);
  expect(kv.due(DAY_MS)).not.toBeNull();
  expect(kv.due(DAY_MS)).toBeNull();
  expect(kv.due(DAY_MS + 59_999)).toBeNull();
  expect(kv.due(DAY_MS + 60_000)).not.toBeNull();
});
