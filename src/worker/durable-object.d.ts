/** The part of the runtime's own module that a Durable Object needs. */
declare module 'cloudflare:workers' {
  export class DurableObject {
    constructor(state: unknown, env: unknown);
  }
}
