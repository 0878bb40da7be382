import { load } from '@fingerprintjs/botd';

/**
 * Whether BotD finds signs of automation in this browser; pass it to `collectDevice({ detectBot })`. Sends nothing. Like everything
 * that a browser reports about itself it is a claim: it catches tools that do not hide.
 */
export async function detectBot(): Promise<boolean> {
  const detector = await load({ monitoring: false });
  return detector.detect().bot;
}
