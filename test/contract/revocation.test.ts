import { memoryStore } from '../../src/store/memory.ts';
import { NOW_MS } from '../support/scene.ts';
import { revocationSuite } from './revocation-suite.ts';

revocationSuite('in memory', () => {
  const store = memoryStore({ now: () => NOW_MS });
  return [store, store];
});
