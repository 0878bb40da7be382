import { load } from '@fingerprintjs/botd';

/**
 * Whether BotD sees marks of automation in this browser, for `collectDevice({ detectBot })`. Sends nothing. Like all that a browser
 * says of itself it is a claim: it catches tools that do not hide.
 */
export async function detectBot(): Promise<boolean> {
  const detector = await load({ monitoring: false });
  return detector.detect().bot;
}
