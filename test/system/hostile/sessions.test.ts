import { expect, test } from 'vitest';
import { sessionFuzzer } from './session-fuzz.ts';

test('Whoever any origin takes for the session is whom the decision was about, or the request is not let in', async () => {
  const { allowed, states, findings } = await sessionFuzzer().round(20_261_130, 20_000);
  expect(findings).toEqual([]);
  // Otherwise the round would show nothing: every state is met, and some are let in.
  expect(allowed).toBeGreaterThan(200);
  for (const state of ['allow', 'session_unread', 'session_ambiguous', 'session_refused']) {
    expect(states.get(state), state).toBeGreaterThan(50);
  }
}, 120_000);
