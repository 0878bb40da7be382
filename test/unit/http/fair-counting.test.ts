import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { listConfigSchema } from '../../../src/data/lists/lists.ts';
import { buildLists } from '../../../src/data/lists/lists-file.ts';
import { post, shippedRules, type Workshop, workshop } from '../../support/servers/stepgate.ts';

/** Exits that many people share, by what a list calls them; a carrier's gateway is on none. */
const EXITS = [
  ['a privacy relay', '146.75.1.9'],
  ['a VPN', '146.75.2.9'],
  ['an open proxy', '146.75.3.9'],
  ['Tor', '146.75.4.9'],
  ['a cloud egress', '146.75.5.9'],
  ["a carrier's gateway", '146.75.6.9'],
  ['an address on an attack list', '146.75.7.9'],
  ['a relay on an attack list', '146.75.8.9'],
] as const;
const LISTS = {
  relay: ['146.75.1.0/24', '146.75.8.0/24'],
  vpn: ['146.75.2.0/24'],
  proxy: ['146.75.3.0/24'],
  tor: ['146.75.4.9'],
  datacenter: ['146.75.5.0/24'],
  attack: ['146.75.7.9', '146.75.8.9'],
};
const HOME = '81.2.69.160';

let shop: Workshop;
let listsDir: string;
let url: string;

beforeAll(async () => {
  shop = await workshop();
  listsDir = await mkdtemp(join(tmpdir(), 'stepgate-fair-'));
  const feeds = Object.entries(LISTS).map(([category, lines]) => ({
    config: listConfigSchema.parse({ name: category, category, format: 'text', source: `${category}.txt` }),
    text: `${lines.join('\n')}\n`,
    updatedAtMs: Date.now(),
    etag: null,
    lastModified: null,
  }));
  await buildLists(feeds, { dir: listsDir });
  const rules = await shippedRules(shop.dir);
  const scripts = { id: 'scripts', when: { 'client.bot': true }, then: { decision: 'deny' } };
  await writeFile(join(rules, 'scripts.json'), JSON.stringify({ version: 1, rules: [scripts] }));
  const { server } = await shop.start({ RULES_DIR: rules, IP_LISTS_DIR: listsDir });
  url = server.url;
});
afterAll(async () => {
  await shop.close();
  await rm(listsDir, { recursive: true, force: true });
});

async function told(path: string, body: object, expected: number) {
  const { status, text } = await post(`${url}${path}`, JSON.stringify(body));
  expect(status, text).toBe(expected);
  return JSON.parse(text);
}
const checked = (body: object) => told('/v1/risk-check', { action: 'login', ...body }, 200);
const happened = (body: object) => told('/v1/events', body, 202);
const fingerprintOf = (name: string) => `${Buffer.from(name).toString('hex')}abcdef0123456789`;
const deviceOf = (name: string) => ({ fingerprint: fingerprintOf(name) });

describe('what strangers do from an exit that many share', () => {
  /** @see https://github.com/openstreetmap/operations/issues/709 */
  test.each(EXITS)(
    'What strangers do from an exit that many share asks an innocent at %s and denies nobody, and leaves trusted devices alone',
    async (_exit, ip) => {
      const victim = `known-${ip}`;
      await happened({ type: 'login.succeeded', subject: victim, ip: HOME, device: deviceOf(victim) });
      const people = await Promise.all(
        Array.from({ length: 5 }, async (_, n) => {
          const subject = `trusting-${ip}-${n}`;
          const known = { subject, ip: HOME, device: deviceOf(subject) };
          const { device } = await happened({ type: 'login.succeeded', ...known, trust_device: true });
          return { subject, device: { ...known.device, token: device.token } };
        }),
      );
      for (let n = 0; n < 12; n++) {
        const stranger = { subject: `stranger-${ip}-${n}`, ip, device: deviceOf(`stranger-${n}`) };
        await checked(stranger);
        await happened({ type: 'login.failed', ...stranger });
        await happened({ type: 'login.failed', subject: victim, ip, device: deviceOf('thief') });
      }
      const customer = await checked({ subject: `new-${ip}`, ip, device: deviceOf('a new phone') });
      expect(customer.signals.ip.facts['ip.failures_10m']).toBe(24);
      expect(customer.decision).toBe('step-up');
      expect((await checked({ subject: victim, ip, device: deviceOf(victim) })).decision).toBe('step-up');
      expect((await checked({ subject: victim, ip, device: deviceOf('another phone') })).decision).toBe('step-up');
      expect((await checked({ subject: victim, ip })).decision).toBe('step-up');
      for (const person of people) expect((await checked({ ...person, ip })).decision).not.toBe('deny');
      // Nor is the victim denied at home, where the attempts in the victim's name are not from.
      expect((await checked({ subject: victim, ip: HOME, device: deviceOf(victim) })).decision).not.toBe('deny');
    },
  );

  test('What strangers do from an exit that many share lets people on trusted devices in at once where the exit itself is nothing to ask for', async () => {
    const [, ip] = EXITS[0];
    const subject = `trusting-${ip}-0`;
    const { device } = await happened({
      type: 'login.succeeded',
      subject,
      ip: HOME,
      device: deviceOf(subject),
      trust_device: true,
    });
    for (let n = 0; n < 30; n++) await happened({ type: 'login.failed', subject: `late-${n}`, ip });
    const answer = await checked({ subject, ip, device: { ...deviceOf(subject), token: device.token } });
    expect(answer.decision).toBe('allow');
  });
});

describe('a batch', () => {
  const factsOf = async (subject: string, ip: string) => (await checked({ subject, ip, dry_run: true })).signals;
  const batch = (subject: string, ip: string, context: object, actions: readonly string[]) =>
    told(
      '/access/v1/evaluations',
      {
        subject: { type: 'user', id: subject },
        resource: { type: 'page', id: '1' },
        context: { ip, ...context },
        evaluations: actions.map((name) => ({ action: { name } })),
      },
      200,
    );

  test('A batch is one attempt and one bad end of its subject, however many of its items are denied', async () => {
    const [subject, ip] = ['batcher', '146.75.5.77'];
    const script = { user_agent: 'python-requests/2.32.3' };
    const items = ['profile.view', ...Array.from({ length: 11 }, () => 'login')];
    const { evaluations } = await batch(subject, ip, script, items);
    expect(evaluations.filter(({ decision }: { decision: boolean }) => !decision)).toHaveLength(12);
    const { ip: address, velocity } = await factsOf(subject, ip);
    expect(address.facts).toMatchObject({ 'ip.denies_1h': 1, 'ip.subjects_1h': 1 });
    expect(velocity.facts).toMatchObject({ 'subject.attempts_1m': 2 });
  });
});
