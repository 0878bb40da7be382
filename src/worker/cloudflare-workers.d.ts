/** What is used of the runtime's own module; the whole of `@cloudflare/workers-types` would replace the globals of Node. */
declare module 'cloudflare:workers' {
  /** Variables, secrets and bindings of this Worker, readable before the first request. */
  export const env: { readonly [name: string]: unknown };
}

/** The browser's client, written by the same build step. */
declare module '#bundled-client' {
  const scripts: { readonly plain: string; readonly module: string };
  export default scripts;
}

/** The rule files, written by the build step of wrangler.toml (`scripts/build-worker.ts`). */
declare module '#bundled-rules' {
  const files: readonly { readonly name: string; readonly text: string }[];
  export default files;
}
