/** Runs something later; what it returns cancels that. */
export type Timer = (run: () => void, ms: number) => () => void;

const plainTimer: Timer = (run, ms) => {
  const handle = setTimeout(run, ms);
  return () => clearTimeout(handle);
};

/**
 * Settles with `work`, or with what `late` makes once the time is up; `work` goes on then, and its end is ignored. The
 * timer is gone as soon as either happened. Time below 0 is none.
 */
export function within<T, L>(
  ms: number,
  work: Promise<T>,
  late: () => L | Promise<L>,
  timer: Timer = plainTimer,
): Promise<T | L> {
  return new Promise((resolve, reject) => {
    const cancel = timer(() => resolve(late()), Math.max(ms, 0));
    void work.then(resolve, reject).finally(cancel);
  });
}
