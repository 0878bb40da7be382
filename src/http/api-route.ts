import type { Context } from 'hono';
import type { z } from 'zod';
import type { Engine } from '../engine/engine.ts';
import type { Right } from '../model/api-keys.ts';
import type { Reply } from './reply.ts';

/** What one request works with. */
export interface RequestScope {
  readonly engine: Engine;
  /** Runs work after the answer without making the caller wait; the work never rejects. */
  readonly later: (work: () => Promise<void>) => void;
}

/** What the app keeps for one request. */
export interface RequestVariables {
  /** Echoed or made; see `X-Request-ID`. */
  requestId: string;
  /** Name of the authenticated caller; empty on public routes. */
  caller: string;
}

/** What a Worker knows about a request besides the request itself. */
export interface EdgeRequest {
  readonly scope: RequestScope;
  /** Address of the connection's peer, from the edge; null for a call over a service binding. */
  readonly peer: string | null;
}

/** What the app's Hono is typed with. */
export interface AppEnv {
  Variables: RequestVariables;
  /** What the runtime hands over: a Node server its own request as `incoming`, a Worker what belongs to the request. */
  Bindings: { readonly incoming?: unknown; readonly edge?: EdgeRequest };
}

/** One request on its way through the app. */
export type AppContext = Context<AppEnv>;

/**
 * Who may call: a right requires an API key that has it, checked before the handler runs; `public` is open; `own`
 * authenticates in its handler (forward auth, where `Authorization` is the end user's).
 */
export type Access = Right | 'public' | 'own';

/** One route with its place in the OpenAPI document. A route group is a function that returns a list of these. */
export interface Route {
  /** Upper case; `*` for any method. */
  readonly method: 'GET' | 'POST' | 'DELETE' | '*';
  /** In Hono's spelling: `/v1/subjects/:id`. */
  readonly path: string;
  readonly access: Access;
  /** One line for the OpenAPI document. */
  readonly summary: string;
  /** Request headers that change the answer, and what each means. */
  readonly headers?: { readonly [name: string]: string };
  /** JSON body, if any. */
  readonly body?: z.ZodType;
  /** Status to meaning and JSON schema of the answer. */
  readonly answers: { readonly [status: number]: { readonly description: string; readonly schema?: z.ZodType } };
  readonly handle: (c: AppContext) => Reply | Promise<Reply>;
}
