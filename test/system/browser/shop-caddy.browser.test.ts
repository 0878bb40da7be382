import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type Demo, startDemo } from '../../../examples/shop/demo/start.ts';
import { launchChromium } from '../../support/browser/chromium.ts';
import { decided, openVisitor, picture, type Visitor } from '../../support/browser/shop-visitor.ts';

vi.setConfig({ testTimeout: 240_000, hookTimeout: 120_000 });

let browser: Browser;
let demo: Demo;
let ada: Visitor;

beforeAll(async () => {
  [browser, demo] = await Promise.all([launchChromium(), startDemo('gateway')]);
  ada = await openVisitor(browser, demo);
});
afterAll(async () => {
  await browser?.close();
  await demo?.stop();
});

test('Behind Caddy the same shop asks for a step-up, trusts the device, and refuses a thief', async () => {
  const { page } = ada;
  await ada.logIn('ada');
  await ada.add('Stoneware Cup');
  await ada.toCheckout();
  await ada.placeOrder();
  await page.getByRole('dialog').waitFor();
  expect(await decided(demo, 'checkout.place')).toMatchObject({ decision: 'step-up', who: 'you' });
  await ada.continueToProvider();
  await ada.confirmByCode();
  await ada.makePasskey();
  await page.getByRole('heading', { name: 'Thank you. It is ordered.' }).waitFor();
  expect(await decided(demo, 'checkout.place')).toMatchObject({ decision: 'allow', proof: { satisfied: true } });

  await ada.add('Cast-iron Pot');
  await ada.toCheckout();
  await ada.placeOrder();
  await page.getByRole('heading', { name: 'Thank you. It is ordered.' }).waitFor();
  expect(await decided(demo, 'checkout.place')).toMatchObject({ decision: 'allow', proof: null });
  await picture(page, '15-behind-caddy');

  await ada.add('Stoneware Cup');
  const thief = await ada.thief();
  await ada.toCheckout(thief);
  await ada.placeOrder(thief);
  await thief.locator('.form-problem').filter({ hasText: 'We cannot do this now' }).waitFor();
  expect(await decided(demo, 'checkout.place')).toMatchObject({ decision: 'deny', who: 'thief' });
});

test('Behind Caddy a new e-mail address takes the passkey each time', async () => {
  const { page } = ada;
  for (const email of ['ada@elsewhere.example', 'ada@home.example']) {
    const signed = await ada.signCount();
    await page.goto(`${demo.shop}/account`);
    await page.getByLabel('New address').fill(email);
    await page.getByRole('button', { name: 'Change it' }).click();
    await ada.continueToProvider();
    await ada.usePasskey();
    await page.getByText(`Messages go to ${email} from now on.`).waitFor();
    expect(await ada.signCount()).toBe(signed + 1);
  }
});

test('A request that did not come through Caddy is refused by the shop', async () => {
  const forged = await ada.context.request.get(demo.shop, {
    headers: { 'X-Stepgate-Decision': 'allow', 'X-Stepgate-Subject': 'u-7b42' },
  });
  // Caddy puts its own in the place of what a client sends: the page is that of nobody, or of Ada.
  expect(await forged.text()).not.toContain('Grace Leaf');
});
