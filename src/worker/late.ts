/** Time that a check waits for data from the assets, in milliseconds, unless a setting says otherwise. */
export const DEFAULT_TIMEOUT_MS = 250;

/** The value, or another one once the time is up; `onLate` then takes what still runs. */
export function within<T>(
  timeoutMs: number,
  value: Promise<T>,
  { otherwise, onLate }: { readonly otherwise: T; readonly onLate?: (rest: Promise<T>) => void },
): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      onLate?.(value);
      resolve(otherwise);
    }, timeoutMs);
    void value.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
