/** How many users were asked how often in their first log-ins. */
export interface Shares {
  readonly users: number;
  readonly logins: number;
  /** Users by times asked, 0 to `logins`. */
  readonly byAsked: readonly number[];
}

/** Counts, at some lengths of history, how often users were asked until then. */
export interface Histories {
  /** Takes in a user after each log-in. */
  add(user: { readonly logins: number; readonly asked: number }): void;
  at(logins: number): Shares;
}

/** Histories of these lengths; their size depends on nothing else. */
export function newHistories(lengths: readonly number[]): Histories {
  const counts = new Map(lengths.map((logins) => [logins, new Array<number>(logins + 1).fill(0)]));
  return {
    add: ({ logins, asked }) => {
      const byAsked = counts.get(logins);
      if (byAsked !== undefined) byAsked[asked] = (byAsked[asked] ?? 0) + 1;
    },
    at: (logins) => {
      const byAsked = counts.get(logins) ?? [];
      return { users: byAsked.reduce((sum, users) => sum + users, 0), logins, byAsked };
    },
  };
}

/** Median share of log-ins that were asked, 0..1, the lower one of two; null without users. */
export function median({ users, logins, byAsked }: Shares): number | null {
  if (users === 0) return null;
  let left = users / 2;
  const asked = byAsked.findIndex((some) => {
    left -= some;
    return left <= 0;
  });
  return asked / logins;
}
