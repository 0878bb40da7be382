/** Time that a check waits for data from the assets, in milliseconds, unless a setting says otherwise. */
export const DEFAULT_TIMEOUT_MS = 250;
