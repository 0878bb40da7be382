/** What `oidc-provider` stores: sessions, grants, codes, refresh tokens. */
interface Stored {
  readonly uid?: string;
  readonly grantId?: string;
  consumed?: number;
}

/**
 * Storage of a provider, shared by all its processes; it survives a change of keys and a restart.
 * Given as the provider's setting `adapter`.
 */
export function database(): (model: string) => object {
  const rows = new Map<string, Stored>();
  return (model) => ({
    upsert: async (id: string, row: Stored) => {
      rows.set(`${model} ${id}`, row);
    },
    find: async (id: string) => rows.get(`${model} ${id}`),
    findByUid: async (uid: string) =>
      [...rows].find(([key, row]) => key.startsWith(`${model} `) && row.uid === uid)?.[1],
    consume: async (id: string) => {
      const row = rows.get(`${model} ${id}`);
      if (row !== undefined) row.consumed = Date.now() / 1000;
    },
    destroy: async (id: string) => {
      rows.delete(`${model} ${id}`);
    },
    revokeByGrantId: async (grantId: string) => {
      for (const [key, row] of rows) if (row.grantId === grantId) rows.delete(key);
    },
  });
}
