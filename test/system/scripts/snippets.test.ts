import { rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { checkSnippets, snippetsOf } from '../../../scripts/snippets.ts';

/** Inside the repository, so that its packages are found. */
const DIR = join(resolve(import.meta.dirname, '../../..'), `build/snippets-of-test-${process.pid}`);

afterAll(() => rm(DIR, { recursive: true, force: true }));

/** The faults of a page with these blocks, one line of text before each. */
function faultsOf(...blocks: readonly (readonly [info: string, text: string])[]) {
  const page = blocks.map(([info, text]) => `As follows:\n\`\`\`${info}\n${text}\n\`\`\`\n`).join('');
  return checkSnippets(snippetsOf('page.md', page), DIR);
}

const RULE = { id: 'mine', when: { 'context.amount': { gte: 1 } }, then: { decision: 'deny', reason: 'mine' } };

test('The snippet check finds the blocks of a page with language, place and line', () => {
  const page = '# A page\n\n```ts server\nconst a = 1;\n```\n\n```\nno language\n```\n\n```json\n{}\n```\n';
  expect(snippetsOf('page.md', page)).toEqual([
    { page: 'page.md', line: 4, language: 'ts', place: 'server', text: 'const a = 1;\n' },
    { page: 'page.md', line: 12, language: 'json', place: '', text: '{}\n' },
  ]);
});

test('The snippet check takes what a reader can use: programs, rules, issuers, JSON that is shortened, shell', () => {
  const faults = faultsOf(
    [
      'ts server',
      "import { createStepgateClient } from '@stepgate/sdk';\nprocess.stdout.write(typeof createStepgateClient);",
    ],
    ['ts browser', "import { stepUpFetch } from '@stepgate/browser';\ndocument.title = typeof stepUpFetch;"],
    ['js', 'exports.run = async () => {};'],
    ['json', JSON.stringify({ version: 1, rules: [RULE] })],
    ['json', JSON.stringify(RULE)],
    ['json', '[{ "preset": "descope", "project_id": "P2abcDEFghiJKLmnoPQRstuVWXyz" }]'],
    ['json', '{ "decision": "allow", … }'],
    ['sh', 'echo "$HOME"'],
  );
  expect(faults).toEqual([]);
}, 120_000);

test('The snippet check names page and line of what a reader could not use', () => {
  const faults = faultsOf(
    ['ts server', "import { createStepgateClient } from '@stepgate/sdk';\ncreateStepgateClient({ url: 1 });"],
    ['ts server', 'document.title;'],
    ['ts browser', 'process.exit();'],
    ['ts', 'const place = 1;'],
    ['json', '{ "a": 1, }'],
    ['json', JSON.stringify({ rules: [{ ...RULE, when: { 'ip.categorys': { has: 'tor' } } }] })],
    ['json', JSON.stringify({ ...RULE, then: { decision: 'maybe' } })],
    ['json', '[{ "preset": "auth0", "domain": "https://shop.eu.auth0.com" }]'],
    ['sh', 'if true; then'],
  );
  const lines = faults.map(({ where }) => Number(where.replace('page.md:', ''))).sort((a, b) => a - b);
  expect(lines).toEqual([4, 8, 12, 16, 20, 24, 28, 32, 36]);
  expect(faultsOf(['js', 'const of = function (']).length).toBeGreaterThan(0);
}, 120_000);
