import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';
import { Hono } from 'hono';

/** Files for browsers by their path, in memory. */
export type Assets = ReadonlyMap<string, { readonly type: string; readonly body: string }>;

/** Bundles the scripts of `browser/` and reads the style sheets of `styles/`: the shop has no build step of its own. */
export async function buildAssets(scripts: readonly string[], styles: readonly string[]): Promise<Assets> {
  const bundled = await build({
    entryPoints: scripts.map((name) => join(import.meta.dirname, 'browser', `${name}.ts`)),
    bundle: true,
    format: 'esm',
    target: 'es2022',
    minify: true,
    write: false,
    outdir: '/assets',
    logLevel: 'silent',
  });
  const assets = new Map<string, { readonly type: string; readonly body: string }>();
  for (const [i, name] of scripts.entries()) {
    const body = bundled.outputFiles[i]?.text ?? '';
    assets.set(`/assets/${name}.js`, { type: 'text/javascript; charset=utf-8', body });
  }
  for (const name of styles) {
    const body = await readFile(join(import.meta.dirname, 'styles', `${name}.css`), 'utf8');
    assets.set(`/assets/${name}.css`, { type: 'text/css; charset=utf-8', body });
  }
  return assets;
}

/** Serves them with `no-cache`, as the names have no hash. */
export function assetRoutes(assets: Assets): Hono {
  const app = new Hono();
  for (const [path, { type, body }] of assets) {
    app.get(path, (c) => c.body(body, 200, { 'Content-Type': type, 'Cache-Control': 'no-cache' }));
  }
  return app;
}
