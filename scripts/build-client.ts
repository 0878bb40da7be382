import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Format } from 'esbuild';
import type { ClientScripts } from '../src/http/deps.ts';

const ROOT = resolve(import.meta.dirname, '..');

/** Where `npm start` and the package look for the scripts of the browser. */
const OUT = join(ROOT, 'dist/browser');

/** What the larger of both may weigh, in bytes of gzip. */
export const MAX_GZIP_BYTES = 25_000;

/** Packages inside the scripts; their notices go with them. */
const BUNDLED = ['@fingerprintjs/fingerprintjs', '@fingerprintjs/botd'];

/** The whole client as a plain script (global `Stepgate`) and as an ES module. */
export async function bundleClient(): Promise<ClientScripts> {
  const [plain, module] = await Promise.all([bundle('iife'), bundle('esm')]);
  return { plain, module };
}

async function bundle(format: Format): Promise<string> {
  const { build } = await import('esbuild');
  const { outputFiles } = await build({
    entryPoints: [join(ROOT, 'packages/browser/src/script.ts')],
    bundle: true,
    minify: true,
    format,
    ...(format === 'iife' && { globalName: 'Stepgate' }),
    target: 'es2020',
    banner: { js: `/*!\n${notices()}\n*/` },
    legalComments: 'none',
    write: false,
    logLevel: 'warning',
  });
  const [output] = outputFiles;
  if (output === undefined) throw new Error('esbuild gave no output');
  return output.text;
}

function notices(): string {
  const own = 'Stepgate client, Apache-2.0. It holds, under their own licences:';
  const licences = BUNDLED.map((name) => {
    const text = readFileSync(join(ROOT, 'node_modules', name, 'LICENSE'), 'utf8').trim();
    return `${name}\n\n${text.replaceAll('*/', '* /')}`;
  });
  return [own, ...licences].join('\n\n');
}

/** False where only what the service runs on was installed. */
function isEsbuildThere(): boolean {
  return existsSync(join(ROOT, 'node_modules/esbuild'));
}

/** Puts them where the service looks. */
export function writeScripts(scripts: ClientScripts): void {
  mkdirSync(OUT, { recursive: true });
  writeFileSync(join(OUT, 'client.js'), scripts.plain);
  writeFileSync(join(OUT, 'client.mjs'), scripts.module);
}

function tellSize(scripts: ClientScripts): void {
  const bytes = Math.max(...Object.values(scripts).map((text) => gzipSync(text, { level: 9 }).length));
  const isTooLarge = bytes > MAX_GZIP_BYTES;
  if (isTooLarge || !process.argv.includes('--quiet')) {
    const allowed = `${MAX_GZIP_BYTES.toLocaleString('en')} allowed`;
    console.log(`the browser client has ${bytes.toLocaleString('en')} bytes gzipped, ${allowed}`);
  }
  if (isTooLarge) process.exitCode = 1;
}

if (import.meta.main) {
  if (isEsbuildThere()) {
    const scripts = await bundleClient();
    writeScripts(scripts);
    tellSize(scripts);
  } else console.log('the browser client is not made: esbuild, a development dependency, is not installed');
}
