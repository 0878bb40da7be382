/** Data that follows a changing source, such as a directory or a KV namespace. */
export interface Live<T> {
  /** The last good version. */
  current(): T;
  /** Why the newest version is not active, or could not be checked; null while it is active. */
  problem(): Error | null;
  /** Checks for another version and loads it. Resolves when the outcome has been announced. */
  look(): Promise<void>;
  /** Loads again even if nothing changed. Resolves when the outcome has been announced. */
  reload(): Promise<void>;
  /** Stops watching. A reload in progress reports nothing. */
  close(): void;
}

/** Where versions come from, and callbacks. */
export interface LiveOptions<T, V> {
  /** Identifies the current version cheaply; differs when anything changed. */
  readonly version: () => Promise<V>;
  /** Loads the version. If it throws, the version is refused and the active one stays. */
  readonly load: (version: V, current: T) => T | Promise<T>;
  readonly first: { readonly value: T; readonly version: V };
  /** True if a loaded version equals the active one, which is then not reported. Default: never. */
  readonly isSame?: (next: T, current: T) => boolean;
  readonly onSwap?: (next: T) => void;
  /** Called once for each problem, as long as it stays the same. */
  readonly onProblem?: (problem: Error) => void;
  /** Poll interval in milliseconds. Default: none, the caller checks. Does not keep the process alive. */
  readonly intervalMs?: number;
}

/**
 * Follows a source of versions. Reloads never overlap; a version is active as a whole or not at all. A refused version is tried again
 * with each check, because the reason may have been temporary.
 */
export function live<T, V>(options: LiveOptions<T, V>): Live<T> {
  const { version, load, first, isSame = () => false, onSwap, onProblem, intervalMs } = options;
  let current = first.value;
  let seen = first.version;
  let problem: Error | null = null;
  let closed = false;
  let running: Promise<unknown> = Promise.resolve();
  let waiting = 0;

  const take = async (always: boolean): Promise<void> => {
    // Identified before it is read: a change in between counts as another version at the next check.
    const found = await version();
    if (found === seen && problem === null && !always) return;
    const next = await load(found, current);
    seen = found;
    if (closed) return;
    problem = null;
    if (next === current || isSame(next, current)) return;
    current = next;
    onSwap?.(next);
  };
  const attempt = async (always: boolean): Promise<void> => {
    try {
      await take(always);
    } catch (error) {
      if (closed) return;
      const before = problem;
      problem = error instanceof Error ? error : new Error(String(error));
      if (problem.message !== before?.message) onProblem?.(problem);
    }
  };
  const queue = (always: boolean): Promise<void> => {
    waiting += 1;
    // A listener that throws must not stop later reloads; the caller of this one gets the error.
    const next = running.catch(() => undefined).then(() => attempt(always));
    running = next.finally(() => {
      waiting -= 1;
    });
    return next;
  };
  const look = (): Promise<void> => (waiting > 0 ? Promise.resolve() : queue(false));
  const timer =
    intervalMs === undefined ? undefined : setInterval(() => void look().catch(() => undefined), intervalMs);
  timer?.unref();
  return {
    current: () => current,
    problem: () => problem,
    look,
    reload: () => queue(true),
    close: () => {
      closed = true;
      clearInterval(timer);
    },
  };
}
