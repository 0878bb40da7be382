/**
 * Sends credential headers of every kind to forward auth, in this process, and compares each answer with what the cookie and
 * bearer parsers of usual origins make of them. Ends with 1 when somebody was let in whom no origin would take for that person.
 * Run: `npm run fuzz:sessions`, `npm run fuzz:sessions -- --seed 7 --count 1000000`
 */
import { parseArgs } from 'node:util';
import { sessionFuzzer } from './session-fuzz.ts';

const ROUND = 20_000;
const MAX_SHOWN = 20;

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    count: { type: 'string', default: '100000' },
  },
});
const [seed, count] = [Number(values.seed), Number(values.count)];
if (!Number.isInteger(seed) || !(count > 0)) {
  console.error('--seed takes a whole number, --count a number above 0');
  process.exit(2);
}

const totals = new Map<string, number>();
let sent = 0;
let allowed = 0;
let found = 0;
for (let round = 0; sent < count; round += 1) {
  // The embedded store would keep every attempt.
  const done = await sessionFuzzer().round(seed + round, Math.min(ROUND, count - sent));
  sent += done.sent;
  allowed += done.allowed;
  found += done.findings.length;
  for (const [state, times] of done.states) totals.set(state, (totals.get(state) ?? 0) + times);
  for (const { target, lines, why } of done.findings.slice(0, MAX_SHOWN))
    console.log(`${why}\n  ${JSON.stringify([target, lines])}`);
  console.log(`seed ${seed + round}: ${sent} sent, ${allowed} let in as somebody, ${found} findings`);
}
console.log(
  [...totals]
    .sort()
    .map(([state, times]) => `${state}: ${times}`)
    .join(', '),
);
if (found > 0) process.exitCode = 1;
