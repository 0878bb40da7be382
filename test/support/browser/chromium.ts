import { type Browser, chromium, type LaunchOptions } from 'playwright-core';

/** Where Debian and Ubuntu put it. */
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';

/** The system's Chromium without a window; it sends nothing by itself. */
export function chromiumOptions(more: readonly string[] = []): LaunchOptions {
  return {
    executablePath: CHROMIUM,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      ...more,
    ],
  };
}

/** Starts it, with further switches. */
export function launchChromium(more: readonly string[] = []): Promise<Browser> {
  return chromium.launch(chromiumOptions(more));
}
