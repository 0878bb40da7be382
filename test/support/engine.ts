import { assembleEngine } from '../../src/app/assemble-engine.ts';
import { chanceOf } from '../../src/cli/simulate/chance.ts';
import { noGeo } from '../../src/data/geo/no-geo.ts';
import { NO_REPUTATION } from '../../src/data/lists/standing.ts';
import type { Engine } from '../../src/engine/engine.ts';
import { compileRules } from '../../src/rules/compile.ts';
import { FACT_CATALOG } from '../../src/signals/index.ts';
import { memoryStore } from '../../src/store/memory.ts';

/** 2026-11-25T02:00:00Z */
export const NOW_MS = Date.UTC(2026, 10, 25, 2);

/** An engine of real parts with these rules, an empty embedded store and ids that count up; no places, lists or issuers. */
export function engineWith(rules: object, now: () => number): Engine {
  const ruleSet = compileRules([{ name: 'test.json', text: JSON.stringify(rules) }], FACT_CATALOG);
  const chance = chanceOf('engine');
  let ids = 0;
  return {
    ...assembleEngine({
      rules: () => ruleSet,
      store: memoryStore({ now }),
      geo: noGeo(),
      lists: () => NO_REPUTATION,
      issuers: [],
      secrets: {
        deviceTokens: ['a-device-token-secret-of-thirty-two-bytes!'],
        privacyKey: 'a-privacy-key-of-thirty-two-bytes!',
      },
      now,
      random: chance.next,
    }),
    newId: () => `id-${++ids}`,
    newDeviceId: () => `d-${++ids}`,
  };
}
