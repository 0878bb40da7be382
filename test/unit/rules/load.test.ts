import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { compileRules } from '../../../src/rules/compile.ts';
import { loadRules, type RulesWatch, readRuleFiles, readRuleTestFiles, watchRules } from '../../../src/rules/load.ts';
import { RulesError } from '../../../src/rules/problems.ts';
import type { RuleSet } from '../../../src/rules/ruleset.ts';
import { catalog, decides, deny, factsOf, points } from '../../support/sample-rules.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'stepgate-rules-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const text = (...rules: object[]) => JSON.stringify({ rules });
const write = (name: string, content: string | Uint8Array) => writeFile(join(dir, name), content);

it('The rule loader reads rule files by name and leaves tests, schemas, hidden files and others alone', async () => {
  await write('b.json', text(points({}, 1, 'b')));
  await write('a.json', `\uFEFF${text(points({}, 1, 'a'))}`);
  await write('a.test.json', '{}');
  await write('rules.schema.json', '{}');
  await write('.a.json', 'half');
  await write('notes.txt', 'x');
  expect((await readRuleFiles(dir)).map((file) => file.name)).toEqual(['a.json', 'b.json']);
  expect((await readRuleTestFiles(dir)).map((file) => file.name)).toEqual(['a.test.json']);
  expect((await loadRules(dir, catalog)).ruleCount).toBe(2);
});

it('The rule loader refuses what cannot be read: no directory, no file, no UTF-8', async () => {
  await expect(loadRules(join(dir, 'absent'), catalog)).rejects.toThrow(RulesError);
  await expect(loadRules('absent', catalog)).rejects.toMatchObject({
    problems: [{ file: join(process.cwd(), 'absent'), message: expect.stringContaining('RULES_DIR') }],
  });
  await mkdir(join(dir, 'folder.json'));
  await expect(loadRules(dir, catalog)).rejects.toMatchObject({
    problems: [{ file: 'folder.json', code: 'file_unreadable' }],
  });
  await rm(join(dir, 'folder.json'), { recursive: true });
  await expect(loadRules(dir, catalog)).rejects.toMatchObject({ problems: [{ code: 'no_rules' }] });
  await write('a.json', new Uint8Array([0x7b, 0xff, 0x7d]));
  await expect(loadRules(dir, catalog)).rejects.toMatchObject({
    problems: [{ file: 'a.json', code: 'file_unreadable' }],
  });
});

describe('a file that extends another', () => {
  const base = {
    levels: { medium: 20, high: 60 },
    trust: { days: 10 },
    actions: { login: { floor: 'deny' }, pay: { floor: 'deny' } },
    rules: [points({}, 1, 'r1'), points({}, 2, 'r2')],
  };
  const extending = (more: object) => JSON.stringify({ extends: '../base.json', ...more });
  beforeEach(async () => {
    await mkdir(join(dir, 'bank'));
    await write('base.json', JSON.stringify(base));
  });
  const bank = () => join(dir, 'bank');

  it('A file that extends another has its rules, settings and actions, but for those that it names itself', async () => {
    await write(
      'bank/bank.json',
      extending({ trust: { days: 20 }, actions: { pay: { floor: 'allow' } }, rules: [points({}, 40, 'r2')] }),
    );
    const rules = await loadRules(bank(), catalog);
    expect(rules.files).toEqual(['bank.json', 'base.json']);
    expect(rules.evaluate(factsOf())).toMatchObject({ score: 41, level: 'medium' });
    expect(rules.policyFor('pay')).toMatchObject({ floor: 'allow', trust: { days: 20 } });
    expect(rules.policyFor('login')).toMatchObject({ floor: 'deny', trust: { days: 20 } });
  });

  it('A base that is missing, broken, or extends another itself is refused with the place', async () => {
    await write('bank/bank.json', extending({ rules: [points({}, 40, 'r3')] }));
    await write('base.json', '{');
    await expect(loadRules(bank(), catalog)).rejects.toMatchObject({
      problems: [{ file: 'base.json', code: 'json_syntax' }],
    });
    await write('base.json', JSON.stringify({ extends: 'other.json', ...base }));
    await expect(loadRules(bank(), catalog)).rejects.toMatchObject({
      problems: [{ file: 'base.json', code: 'base_missing', path: 'extends' }],
    });
    await rm(join(dir, 'base.json'));
    await expect(loadRules(bank(), catalog)).rejects.toMatchObject({
      problems: [{ file: '../base.json', code: 'file_unreadable' }],
    });
    expect(() => compileRules([{ name: 'bank.json', text: extending({}) }], catalog)).toThrow(
      /is not among the rule files/,
    );
  });

  it('A change of the base is taken over by the directories that extend it', async () => {
    await write('bank/bank.json', extending({ rules: [points({}, 40, 'r3')] }));
    let live = await loadRules(bank(), catalog);
    const onSwap = (set: RuleSet): void => {
      live = set;
    };
    const watched = watchRules({ dir: bank(), catalog, current: live, onSwap, onRefused: vi.fn(), intervalMs: 20 });
    try {
      expect(live.evaluate(factsOf()).score).toBe(43);
      await write('base.json', JSON.stringify({ ...base, rules: [points({}, 10, 'r1')] }));
      await vi.waitFor(() => expect(live.evaluate(factsOf()).score).toBe(50), { timeout: 10_000 });
    } finally {
      watched.close();
    }
  });
});

describe('a directory under watch', () => {
  let live: RuleSet;
  let watched: RulesWatch;
  const swapped = vi.fn((set: RuleSet) => {
    live = set;
  });
  const refused = vi.fn();

  beforeEach(async () => {
    swapped.mockClear();
    refused.mockClear();
    await write('a.json', text(points({}, 1, 'r1'), points({}, 2, 'r2'), deny({ action: 'x' }, 'r3')));
    live = await loadRules(dir, catalog);
    watched = watchRules({ dir, catalog, current: live, onSwap: swapped, onRefused: refused, intervalMs: 20 });
  });
  afterEach(() => watched.close());

  const scoreNow = () => live.evaluate(factsOf()).score;

  it('A directory under watch takes a valid change over by itself', async () => {
    await write('a.json', text(points({}, 50, 'r1')));
    await vi.waitFor(() => expect(scoreNow()).toBe(50), { timeout: 10_000 });
    await write('new.json.tmp', text(points({}, 20, 'r2')));
    await rename(join(dir, 'new.json.tmp'), join(dir, 'new.json'));
    await vi.waitFor(() => expect(scoreNow()).toBe(70), { timeout: 10_000 });
    await rm(join(dir, 'new.json'));
    await vi.waitFor(() => expect(scoreNow()).toBe(50), { timeout: 10_000 });
    expect(refused).not.toHaveBeenCalled();
  });

  /** @see https://github.com/openchamber/openchamber/pull/2927 */
  it('A directory under watch keeps the old rules under a half-written, empty, commented or rule-less file', async () => {
    const whole = text(points({}, 9, 'r1'), points({}, 9, 'r2'), points({}, 9, 'r3'));
    for (const broken of [
      whole.slice(0, whole.length * 0.6),
      '',
      whole.replace(']}', ',]}'),
      `// rules\n${whole}`,
      '{"rules":[]}',
    ]) {
      await write('a.json', broken);
      await watched.reload();
      expect(watched.problem(), broken).toBeInstanceOf(RulesError);
      expect(scoreNow(), broken).toBe(3);
    }
    await rm(join(dir, 'a.json'));
    await watched.reload();
    expect(watched.problem()).toMatchObject({ problems: [{ code: 'no_rules' }] });
    expect(swapped).not.toHaveBeenCalled();
    await write('a.json', `\uFEFF${whole}`);
    await watched.reload();
    expect(scoreNow()).toBe(27);
  });

  /** @see https://github.com/Azure/data-api-builder/issues/2396 */
  it('A directory under watch tells why a change was refused until it is mended, and goes on without a restart', async () => {
    await write('a.json', text(points({}, 8, 'r1'), points({}, 8, 'r1'), decides('r2', {}, { decision: 'alow' })));
    await watched.reload();
    expect(refused).toHaveBeenCalled();
    expect(watched.problem()).toMatchObject({ problems: [{ code: 'shape' }, { code: 'duplicate_id' }] });
    expect(scoreNow()).toBe(3);
    await write('a.json', text(points({}, 8, 'r1'), decides('r2', {}, { decision: 'allow' })));
    await watched.reload();
    expect(watched.problem()).toBeNull();
    expect(scoreNow()).toBe(8);
  });

  it('A directory under watch forgets the error when the old text comes back, without announcing a set', async () => {
    const before = (await readRuleFiles(dir))[0]?.text ?? '';
    await write('a.json', '{');
    await watched.reload();
    await write('a.json', before);
    await watched.reload();
    expect(watched.problem()).toBeNull();
    expect(swapped).not.toHaveBeenCalled();
  });

  /** @see https://github.com/open-policy-agent/opa/issues/5737 */
  it('A directory under watch never shows old and new rules mixed while it reloads under way', async () => {
    const seen = new Set<string>();
    const revisions = new Set([live.revision]);
    for (let i = 1; i <= 10; i++) {
      await write('a.json', text(points({}, i, 'r1'), points({}, i, 'r2')));
      const reload = watched.reload();
      for (let call = 0; call < 20; call++) {
        const set = live;
        seen.add(`${set.revision} ${set.evaluate(factsOf()).score}`);
        await new Promise((resolve) => setImmediate(resolve));
      }
      await reload;
      revisions.add(live.revision);
      seen.add(`${live.revision} ${live.evaluate(factsOf()).score}`);
    }
    expect(scoreNow()).toBe(20);
    expect(seen.size).toBe(revisions.size);
    expect(watched.problem()).toBeNull();
  });

  it('A directory under watch announces nothing after it is closed', async () => {
    watched.close();
    await write('a.json', text(points({}, 77, 'r1')));
    await watched.reload();
    expect(swapped).not.toHaveBeenCalled();
  });
});
