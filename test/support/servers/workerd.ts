import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { z } from 'zod';
import { freePort } from './listen.ts';
import { startProgram } from './program.ts';

/** The runtime of Workers with one Worker in it. */
export interface Workerd {
  /** `http://127.0.0.1:1234` */
  readonly url: string;
  /** Everything that the Worker and the runtime wrote so far. */
  output(): string;
  stop(): Promise<void>;
}

export interface WorkerdOptions {
  /** Variables; null is bound as null. */
  readonly vars: { readonly [name: string]: string | null };
  /** Durable Objects: the binding and its class. */
  readonly durableObjects?: { readonly [binding: string]: string };
  /** Header in which a test hands over `request.cf` as JSON. */
  readonly cfHeader?: string;
  /** An authority that the runtime trusts beside those of browsers, as PEM. */
  readonly ca?: string;
}

/** The program itself: npm's wrapper would not hand a signal on to it. */
export const WORKERD = z.object({ default: z.string() }).parse(createRequire(import.meta.url)('workerd')).default;

/** As in wrangler.toml. */
export const COMPATIBILITY_DATE = '2026-11-01';

/** One Worker of a configuration of workerd, whose code lies in `file`; it reaches the outside by the service `network`. */
export function workerStruct(
  file: string,
  { vars, durableObjects = {} }: Pick<WorkerdOptions, 'vars' | 'durableObjects'>,
  moreBindings: readonly string[] = [],
): string {
  const bindings = [
    ...Object.entries(vars).map(
      ([name, value]) => `(name = "${name}", ${value === null ? 'json = "null"' : `text = ${JSON.stringify(value)}`})`,
    ),
    ...Object.entries(durableObjects).map(([name, type]) => `(name = "${name}", durableObjectNamespace = "${type}")`),
    ...moreBindings,
  ];
  const namespaces = Object.values(durableObjects).map((type) => `(className = "${type}", uniqueKey = "${type}")`);
  return `(
      modules = [(name = "${file}", esModule = embed "${file}")],
      compatibilityDate = "${COMPATIBILITY_DATE}",
      bindings = [${bindings.join(', ')}],
      durableObjectNamespaces = [${namespaces.join(', ')}],
      durableObjectStorage = (inMemory = void),
      globalOutbound = "network",
    )`;
}

/** Writes what `workerd serve` needs to run a bundle into a folder; gives the file to name. Port 0 is a free one. */
export function writeWorkerd(
  folder: string,
  code: string,
  { ca, cfHeader, port = 0, ...worker }: WorkerdOptions & { readonly port?: number },
): string {
  writeFileSync(join(folder, 'worker.js'), code);
  const config = join(folder, 'config.capnp');
  writeFileSync(
    config,
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (${cfHeader === undefined ? '' : `cfBlobHeader = "${cfHeader}"`}), service = "worker")],
  services = [
    (name = "worker", worker = ${workerStruct('worker.js', worker)}),
    (name = "network", network = (
      allow = ["private", "public"],
      tlsOptions = (trustBrowserCas = true, trustedCertificates = [${ca === undefined ? '' : JSON.stringify(ca)}]),
    )),
  ],
);
`,
  );
  return config;
}

/** Runs a bundle on a free port. */
export async function startWorkerd(code: string, options: WorkerdOptions): Promise<Workerd> {
  const folder = mkdtempSync(join(tmpdir(), 'stepgate-workerd-'));
  const port = await freePort();
  const config = writeWorkerd(folder, code, { ...options, port });
  const { output, stop } = await startProgram(WORKERD, ['serve', config], { ready: port });
  return {
    url: `http://127.0.0.1:${port}`,
    output,
    async stop() {
      await stop('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Bundles a Worker as one module, with what wrangler does for packages that `require` modules of Node. */
export async function bundle(entry: string, alias: { readonly [module: string]: string } = {}): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    target: 'es2024',
    conditions: ['workerd', 'worker', 'browser'],
    external: ['cloudflare:*'],
    alias,
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire('/');" },
    logLevel: 'warning',
  });
  const [output] = outputFiles;
  if (output === undefined) throw new Error(`esbuild made nothing of ${entry}`);
  return output.text;
}
