/** Something is wrong with a data file, its source or its configuration. `code` is stable, the message says what to do. */
export class DataError extends Error {
  override readonly name = 'DataError';
  readonly code: string;
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** A {@link DataError} as data, for reports and status. */
export interface DataProblem {
  readonly code: string;
  readonly message: string;
}
