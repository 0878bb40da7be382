/** The part of `oidc-provider` that the tests and the shop of `examples/` use; the package brings no types. */
declare module 'oidc-provider' {
  import type { IncomingMessage, ServerResponse } from 'node:http';

  /** What a code or a refresh token remembers of the log-in. */
  interface Authenticated {
    readonly acr?: string;
    readonly amr?: readonly string[];
    readonly authTime?: number;
    readonly sid?: string;
  }

  interface Context {
    readonly oidc: {
      readonly provider: Provider;
      readonly client: { readonly clientId: string };
      readonly params: { readonly acr_values?: string; readonly max_age?: number; readonly resource?: string };
      readonly session: { readonly accountId: string; readonly acr?: string };
      readonly result?: { readonly login?: object };
      readonly entities: { readonly AuthorizationCode?: Authenticated; readonly RefreshToken?: Authenticated };
    };
  }

  interface Grant {
    addOIDCScope(scope: string): void;
    addResourceScope(resource: string, scope: string): void;
    save(): Promise<string>;
  }

  export class Provider {
    constructor(issuer: string, configuration: object);
    readonly Grant: new (of: {
      clientId: string;
      accountId: string;
    }) => Grant;
    callback(): (request: IncomingMessage, response: ServerResponse) => Promise<void>;
    interactionDetails(
      request: IncomingMessage,
      response: ServerResponse,
    ): Promise<{
      readonly uid: string;
      readonly prompt: { readonly name: string; readonly reasons: readonly string[] };
      readonly params: { readonly acr_values?: string; readonly prompt?: string };
      /** The session at the provider, where there is one. */
      readonly session?: { readonly accountId: string; readonly acr?: string; readonly amr?: readonly string[] };
    }>;
    interactionFinished(request: IncomingMessage, response: ServerResponse, result: object): Promise<void>;
    /** As `interactionFinished`, but gives the address to go on to instead of answering. */
    interactionResult(request: IncomingMessage, response: ServerResponse, result: object): Promise<string>;
    on(event: string, listener: (...values: readonly unknown[]) => void): void;
  }

  interface Prompt {
    readonly checks: { add(check: object): void };
  }

  export const interactionPolicy: {
    base(): { get(name: 'login'): Prompt };
    readonly Check: new (reason: string, description: string, isNeeded: (context: Context) => boolean) => object;
  };
}
