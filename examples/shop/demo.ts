import { spawn } from 'node:child_process';
import { parseArgs } from 'node:util';
import { startDemo } from './demo/start.ts';

/** `npm run demo [-- --gateway caddy]`: starts the demo and prints its address; Ctrl-C stops it. */
const { values } = parseArgs({ options: { gateway: { type: 'string' }, 'no-open': { type: 'boolean' } } });
if (values.gateway !== undefined && values.gateway !== 'caddy') {
  console.error(`--gateway takes caddy, found ${values.gateway}`);
  process.exit(2);
}

const demo = await startDemo(values.gateway === 'caddy' ? 'gateway' : 'middleware');
console.log(`
The shop of the Stepgate demo runs${values.gateway === 'caddy' ? ' behind Caddy' : ''}.

  What to try   ${demo.guide}
  The shop      ${demo.shop}

  ada    tea-and-kettles       buys tea
  grace  leaves-and-ledgers    runs the shop

Everything is in memory and on this machine. Ctrl-C ends it.
`);
if (values['no-open'] !== true) openBrowser(demo.guide);

let told = false;
const stop = (): void => {
  if (told) process.exit(1);
  told = true;
  demo.stop().then(
    () => process.exit(0),
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
};
process.on('SIGINT', stop);
process.on('SIGTERM', stop);

/** Only if there is a display. */
function openBrowser(url: string): void {
  const hasDisplay = process.env.DISPLAY !== undefined || process.env.WAYLAND_DISPLAY !== undefined;
  const command = process.platform === 'darwin' ? 'open' : hasDisplay ? 'xdg-open' : null;
  if (command === null || process.stdout.isTTY !== true) return;
  // The address is printed too, in case there is no such command.
  spawn(command, [url], { stdio: 'ignore', detached: true })
    .on('error', () => undefined)
    .unref();
}
