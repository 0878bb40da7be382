import { noGeo } from '../../src/data/geo/no-geo.ts';
import { NO_REPUTATION } from '../../src/data/lists/standing.ts';
import { deviceTokens } from '../../src/engine/device-token-jose.ts';
import type { Engine } from '../../src/engine/engine.ts';
import { compileRules } from '../../src/rules/compile.ts';
import { FACT_CATALOG } from '../../src/signals/index.ts';
import { memoryStore } from '../../src/store/memory.ts';
import { pseudonymizer } from '../../src/store/pseudonym.ts';

/** 2026-11-25T02:00:00Z */
export const NOW_MS = Date.UTC(2026, 10, 25, 2);

/** An engine of real parts with these rules, an empty embedded store and ids that count up; no places, lists or issuers. */
export function engineWith(rules: object, now: () => number): Engine {
  const ruleSet = compileRules([{ name: 'test.json', text: JSON.stringify(rules) }], FACT_CATALOG);
  let ids = 0;
  return {
    rules: () => ruleSet,
    store: memoryStore({ now }),
    geo: noGeo(),
    reputation: () => NO_REPUTATION,
    deviceTokens: deviceTokens({ secrets: [new Uint8Array(32).fill(7)] }),
    verifier: null,
    pseudonym: pseudonymizer('a-privacy-key-of-thirty-two-bytes!'),
    now,
    newId: () => `id-${++ids}`,
    newDeviceId: () => `d-${++ids}`,
  };
}
