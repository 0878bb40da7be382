/**
 * What hostile texts cost compared with usual ones, and whether the time of a comparison leaks anything: user agents that grow,
 * patterns of rules on texts that break matchers which go back, and API keys that share more and more of their front with the
 * right one.
 * Run: `npm run bench -- hostile`
 */
import { callers } from '../src/http/caller.ts';
import { compileRules } from '../src/rules/compile.ts';
import { clientTraits } from '../src/signals/client.ts';
import { FACT_CATALOG } from '../src/signals/index.ts';
import { bar } from './bar.ts';

const ROUNDS = 400;
const LENGTHS = [128, 512, 2048, 8192];

/** Median time of each of these in µs, taken in turn, so that what the machine does meanwhile meets all of them alike. */
function medians(runs: readonly (() => unknown)[], times: number): number[] {
  const taken: number[][] = runs.map(() => []);
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [i, run] of runs.entries()) {
      const startedMs = performance.now();
      for (let n = 0; n < times; n += 1) run();
      taken[i]?.push(((performance.now() - startedMs) * 1000) / times);
    }
  }
  return taken.map((all) => all.sort((a, b) => a - b)[Math.floor(all.length / 2)] ?? Number.NaN);
}

const micro = (us: number | undefined): string => `${(us ?? Number.NaN).toFixed(2)} µs`;

{
  const key = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMN';
  const find = callers([{ name: 'a', kind: 'secret', rights: ['admin'], secret: key }]);
  const shared = [0, 1, 10, 20, 39];
  const guesses = shared.map((length) => key.slice(0, length) + '#'.repeat(key.length - length));
  const times = medians(
    [...guesses, key].map((guess) => () => find(guess)),
    50,
  );
  for (const [i, length] of [...shared, key.length].entries()) {
    console.log(`API key with ${length} of ${key.length} characters right: ${micro(times[i])}`);
  }
  const spread = Math.max(...times) / Math.min(...times);
  bar('slowest over quickest comparison of an API key', spread.toFixed(3), spread < 1.05, 'below 1.05');
}

{
  const usual =
    'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36';
  const hostile: readonly (readonly [string, string])[] = [
    ['spaces', ' '],
    ['digits and dots', '1.'],
    ['brackets', '('],
    ['Version/', 'Version/1 '],
    ['Mozilla', 'Mozilla/5.0 (x; '],
    ['bots', 'bot bo '],
    ['letters', 'a'],
    ['Android', 'Android; '],
  ];
  // Each text is new, so that none is remembered.
  let n = 0;
  const parse = (text: string) => () => clientTraits(`${n++} ${text}`);
  const [usualTime = Number.NaN] = medians([parse(usual)], 5);
  console.log(`a usual user agent: ${micro(usualTime)}`);
  let worst = 0;
  for (const [name, unit] of hostile) {
    const texts = LENGTHS.map((length) => unit.repeat(Math.ceil(length / unit.length)).slice(0, length));
    const times = medians(texts.map(parse), 5);
    worst = Math.max(worst, ...times);
    console.log(`user agent of ${name}, ${LENGTHS.join('/')} characters: ${times.map(micro).join(', ')}`);
  }
  const factor = worst / usualTime;
  bar('dearest hostile user agent over a usual one', factor.toFixed(1), factor < 20, 'below 20');
}

{
  const rule = {
    version: 1,
    rules: [
      {
        id: 'p',
        when: { 'context.text': { matches: '^(a+)+$|(a|aa)+b|(.*a){10}c' } },
        then: { points: 1, reason: 'p' },
      },
    ],
  };
  const rules = compileRules([{ name: 'p.json', text: JSON.stringify(rule) }], FACT_CATALOG);
  const runs = LENGTHS.map((length) => {
    const facts = {
      measured: {},
      context: { text: `${'a'.repeat(length - 1)}!` },
      resourceProperties: {},
      subjectProperties: {},
    };
    return () => rules.evaluate(facts);
  });
  const times = medians(runs, 1);
  console.log(
    `a pattern that backtracking would not survive, on ${LENGTHS.join('/')} characters: ${times.map(micro).join(', ')}`,
  );
  const growth = (times.at(-1) ?? Number.NaN) / (times[1] ?? Number.NaN);
  bar('8192 over 512 characters for a pattern', growth.toFixed(2), growth < 1.5, 'below 1.5');
}
