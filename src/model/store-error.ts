/** Why the store did not do what was asked. */
export type StoreFailure = 'timeout' | 'unreachable' | 'circuit_open' | 'rejected';

/** The store did not do what was asked. `code` is stable; the message never holds a key or a value. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
  readonly code: StoreFailure;
  constructor(code: StoreFailure, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
