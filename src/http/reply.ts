/** Answer of a handler. The app adds the headers that every answer has, unless these name them. */
export interface Reply {
  readonly status: number;
  readonly headers: { readonly [name: string]: string };
  readonly body: string | null;
  /** Values of `Set-Cookie`, each a line of its own. */
  readonly cookies?: readonly string[];
}

export function jsonReply(value: unknown, status = 200, headers: Reply['headers'] = {}): Reply {
  return { status, headers: { ...JSON_HEADERS, ...headers }, body: JSON.stringify(value) };
}

const JSON_HEADERS = { 'Content-Type': 'application/json' } as const;

/** Success without content. */
export const NO_CONTENT: Reply = { status: 204, headers: {}, body: null };
