import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { AxeResults } from 'axe-core';
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core';
import type { FeedDecision } from '../../../examples/shop/demo/feed-event.ts';
import { type Demo, PEOPLE } from '../../../examples/shop/demo/start.ts';
import { until } from '../until.ts';

const ARTIFACTS = join(import.meta.dirname, '../../../artifacts/shop');
const AXE_TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Someone with a browser of their own, in which an authenticator waits for passkeys. */
export interface Visitor {
  readonly context: BrowserContext;
  readonly page: Page;
  logIn(name: 'ada' | 'grace', page?: Page): Promise<void>;
  /** Puts one piece into the basket. */
  add(product: string, page?: Page): Promise<void>;
  /** From the basket to the page that shows what will be ordered. */
  toCheckout(page?: Page): Promise<void>;
  placeOrder(page?: Page): Promise<void>;
  /** From the dialog to the provider. */
  continueToProvider(page?: Page): Promise<void>;
  /** Has a code sent and enters it. */
  confirmByCode(page?: Page): Promise<void>;
  makePasskey(): Promise<void>;
  usePasskey(): Promise<void>;
  /** How often the passkeys of this browser have signed. */
  signCount(): Promise<number>;
  /** Where the next requests come from. */
  goTo(place: string, page?: Page): Promise<void>;
  /** Copies the session to the thief's browser and opens that. */
  thief(more?: { readonly withDevice: boolean }): Promise<Page>;
}

export async function openVisitor(browser: Browser, demo: Demo, options: BrowserContextOptions = {}): Promise<Visitor> {
  const context = await browser.newContext({ viewport: { width: 1360, height: 900 }, ...options });
  // Far below the limit of a test, so that a failure says what was waited for.
  context.setDefaultTimeout(60_000);
  const page = await context.newPage();
  const devtools = await context.newCDPSession(page);
  await devtools.send('WebAuthn.enable');
  const { authenticatorId } = await devtools.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  return {
    context,
    page,
    async logIn(name, on = page) {
      const person = PEOPLE.find(({ userName }) => userName === name);
      await on.goto(`${demo.shop}/log-in?return_to=/basket`);
      await on.getByLabel('Name').fill(name);
      await on.getByLabel('Password').fill(person?.plainPassword ?? '');
      await on.getByRole('button', { name: 'Log in' }).click();
      await on.waitForURL(`${demo.shop}/basket`);
    },
    async add(product, on = page) {
      await on.goto(demo.shop);
      await on.getByRole('button', { name: `Add ${product} to the basket` }).click();
      await on.waitForURL(`${demo.shop}/basket`);
    },
    async toCheckout(on = page) {
      await on.getByRole('button', { name: 'To the checkout' }).click();
      await on.getByRole('heading', { name: 'Check your order' }).waitFor();
    },
    placeOrder: (on = page) => on.getByRole('button', { name: /^Place the order/ }).click(),
    async continueToProvider(on = page) {
      await on.getByRole('dialog').getByRole('button', { name: 'Continue' }).click();
      await on.getByRole('heading', { name: 'Confirm that it is you' }).waitFor();
    },
    async confirmByCode(on = page) {
      const before = codesOf(demo).length;
      await on.getByRole('button', { name: 'Send me a one-time code' }).click();
      await until(() => codesOf(demo).length > before);
      await on.getByLabel('One-time code').fill(codesOf(demo).at(-1) ?? '');
      await on.getByRole('button', { name: 'Confirm', exact: true }).click();
    },
    makePasskey: () => page.getByRole('button', { name: 'Make a passkey' }).click(),
    usePasskey: () => page.getByRole('button', { name: 'Use your passkey' }).click(),
    async signCount() {
      const { credentials } = await devtools.send('WebAuthn.getCredentials', { authenticatorId });
      return credentials.reduce((sum, { signCount }) => sum + signCount, 0);
    },
    async goTo(place, on = page) {
      const moved = on.waitForResponse((response) => response.url().endsWith('/demo/place'));
      await on.getByText(place, { exact: true }).click();
      await moved;
    },
    async thief({ withDevice } = { withDevice: false }) {
      if (withDevice) await page.getByLabel('with the device token').check();
      await page.getByRole('button', { name: /^Copy the session/ }).click();
      const opened = context.waitForEvent('page');
      await page.getByRole('link', { name: /^Open the thief/ }).click();
      const other = await opened;
      await other.getByRole('heading', { name: 'Your basket' }).waitFor();
      return other;
    },
  };
}

/** The codes that the provider has sent, oldest first. */
function codesOf(demo: Demo): readonly string[] {
  return demo.feed.recent().flatMap((event) => (event.type === 'message' ? [event.data.code] : []));
}

/** The newest decision about an action, once there is one. */
export async function decided(demo: Demo, action: string, isIt: (decision: FeedDecision) => boolean = () => true) {
  let found: FeedDecision | undefined;
  await until(() => {
    const decisions = demo.feed.recent().flatMap((event) => (event.type === 'decision' ? [event.data] : []));
    found = decisions.findLast((decision) => decision.action === action);
    return found !== undefined && isIt(found);
  });
  if (found === undefined) throw new Error(`nothing was decided about ${action}`);
  return found;
}

/** Keeps a picture of the page for people to look at. */
export async function picture(page: Page, name: string): Promise<void> {
  mkdirSync(ARTIFACTS, { recursive: true });
  await page.screenshot({ path: join(ARTIFACTS, `${name}.png`) });
}

/** What axe finds wrong with the page as it is, in words. */
export async function faultsOf(page: Page): Promise<readonly string[]> {
  // Colours that are on their way from one state to another are nobody's.
  await page.evaluate('Promise.all(document.getAnimations().map((animation) => animation.finished))');
  // The page's policy forbids scripts of others, so that it comes in by the debugger.
  await page.evaluate(AXE);
  const { violations } = await page.evaluate<AxeResults>(`axe.run(document, ${JSON.stringify({ runOnly: AXE_TAGS })})`);
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${id}: ${target.join(' ')} ${failureSummary}`),
  );
}
