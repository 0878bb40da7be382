/**
 * How long `collectDevice()` takes in Chromium, and what the scripts weigh. Run: `npm run bench -- client`
 *
 * Each round is a fresh page in a fresh private window, as a first visit is; a second call on the page is reported as well.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { bundleClient, MAX_GZIP_BYTES } from '../scripts/build-client.ts';
import { launchChromium } from '../test/support/browser/chromium.ts';
import { bar } from './bar.ts';

declare const Stepgate: typeof import('../packages/browser/src/script.ts');

const ROUNDS = 15;
/** So long that a loaded machine still answers: the limit is not what is measured. */
const TIMEOUT_MS = 30_000;

const scripts = await bundleClient();
for (const [form, text] of Object.entries(scripts)) {
  const bytes = gzipSync(text, { level: 9 }).length;
  bar(`${form} script, gzip`, `${bytes} bytes`, bytes <= MAX_GZIP_BYTES, `≤ ${MAX_GZIP_BYTES}`);
}

const server = createServer((request, response) => {
  const isScript = request.url === '/client.js';
  response.setHeader('Content-Type', isScript ? 'text/javascript' : 'text/html; charset=utf-8');
  response.end(
    isScript ? scripts.plain : '<!doctype html><title>bench</title><body><script src="/client.js"></script>',
  );
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
const browser = await launchChromium();
const first: number[] = [];
const second: number[] = [];
const withBot: number[] = [];
for (let round = 0; round < ROUNDS; round += 1) {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(url);
  const took = (looksForBots: boolean): Promise<number> =>
    page.evaluate(
      async ([timeoutMs, bots]) => {
        const startedMs = performance.now();
        const device = await Stepgate.collectDevice({ timeoutMs, ...(bots && { detectBot: Stepgate.detectBot }) });
        if (device.state !== 'collected') throw new Error(device.why);
        return performance.now() - startedMs;
      },
      [TIMEOUT_MS, looksForBots] as const,
    );
  first.push(await took(false));
  second.push(await took(false));
  withBot.push(await took(true));
  await context.close();
}
await browser.close();
server.close();

for (const [name, times] of Object.entries({ 'first call': first, 'second call': second, 'with BotD': withBot })) {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (share: number): string => (sorted[Math.floor(share * (ROUNDS - 1))] ?? 0).toFixed(0);
  console.log(
    `  collectDevice(), ${name}: median ${at(0.5)} ms, fastest ${at(0)} ms, slowest ${at(1)} ms of ${ROUNDS}`,
  );
}
