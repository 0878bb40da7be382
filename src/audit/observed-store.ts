import { type Store, StoreError } from '../store/store.ts';
import type { Metrics, StoreOperation } from './metrics.ts';

/** The same store, with every failure counted by operation and code. */
export function observedStore(store: Store, metrics: Metrics): Store {
  const counted = async <T>(operation: StoreOperation, work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      if (error instanceof StoreError) metrics.storeFailed(operation, error.code);
      throw error;
    }
  };
  return {
    driver: store.driver,
    async recordAttempt(attempt) {
      const history = await store.recordAttempt(attempt);
      for (const slot of [history.subject, history.address, history.device]) {
        if (slot?.state === 'failed') metrics.storeFailed('recordAttempt', slot.why);
      }
      return history;
    },
    recordOutcome: (outcome) => counted('recordOutcome', store.recordOutcome(outcome)),
    readSubject: (subject, atMs) => counted('readSubject', store.readSubject(subject, atMs)),
    updateBaseline: (subject, change) => counted('updateBaseline', store.updateBaseline(subject, change)),
    forgetSubject: (subject) => counted('forgetSubject', store.forgetSubject(subject)),
    spendProof: (id, ttlSeconds) => counted('spendProof', store.spendProof(id, ttlSeconds)),
    ping: () => counted('ping', store.ping()),
    close: () => store.close(),
  };
}
