import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { snippetsOf } from '../../scripts/snippets.ts';
import { trustedIssuer } from '../support/middleware/issuer.ts';
import { KEY, type Workshop, workshop } from '../support/servers/stepgate.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0';

/** A project with the packed package in `node_modules`, and beside it what an application has of its own. */
let project: string;

interface Ran {
  readonly status: number | null;
  readonly output: string;
}

function run(command: string, args: readonly string[], cwd: string): Ran {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8' });
  return { status, output: `${stdout}${stderr}` };
}

beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), 'stepgate-package-'));
  const packed = run('npm', ['pack', '--silent', '--pack-destination', project], ROOT);
  const tarball = (await readdir(project)).find((name) => name.endsWith('.tgz'));
  if (tarball === undefined) throw new Error(`nothing was packed: ${packed.output}`);
  const modules = join(project, 'node_modules');
  await mkdir(join(modules, 'stepgate'), { recursive: true });
  run('tar', ['-xzf', join(project, tarball), '-C', join(modules, 'stepgate'), '--strip-components', '1'], project);
  for (const name of await readdir(join(ROOT, 'node_modules'))) {
    if (!name.startsWith('.')) await symlink(join(ROOT, 'node_modules', name), join(modules, name));
  }
  await writeFile(join(project, 'package.json'), '{ "type": "module" }');
}, 300_000);

afterAll(() => rm(project, { recursive: true, force: true }));

const HONO = `
import { Hono } from 'hono';
import { proofsByStepgate, requireStepUp, riskCheck } from '@stepgate/sdk/hono';
import { proofsByIssuers } from '@stepgate/sdk/proofs';
import { createStepgateClient, StepgateError, type RiskCheck } from '@stepgate/sdk';

interface AppEnv { Variables: { user: { id: string } } }
const client = createStepgateClient({ url: 'https://stepgate.internal', key: 'secret', onFailure: 'deny' });
const subject: RiskCheck['subject'] = 'ann';
export const app = new Hono<AppEnv>();
app.post('/checkout/:id', riskCheck<AppEnv>({ client, action: 'checkout', subject: (c) => c.get('user').id }), (c) => {
  const decision = c.get('stepgate');
  const score: number | null = decision.failed ? null : decision.score;
  const user: string = c.get('user').id;
  const id: string = c.req.param('id');
  return c.json({ score, user, id, subject });
});
app.post('/payout', requireStepUp({ proofs: proofsByStepgate(client), subject: () => 'ann', singleUse: true }), (c) => {
  const acr: string | null = c.get('stepUp').acr;
  return c.json({ acr });
});
export const local = proofsByIssuers({ issuers: [{ preset: 'descope', project_id: 'P2abcDEFghiJKLmnoPQRstuVWXyz' }] });
export const isRefusal = (error: unknown) => error instanceof StepgateError && error.code === 'unauthorized';

// @ts-expect-error whose proof it must be cannot be forgotten
requireStepUp({ proofs: local });
// @ts-expect-error nor who asks
riskCheck({ client, action: 'checkout' });
// @ts-expect-error a decision that came about without an answer has no score
app.get('/', riskCheck({ client, action: 'x', subject: () => null }), (c) => c.json(c.get('stepgate').score));
`;

const EXPRESS = `
import express from 'express';
import { decisionOf, proofOf, proofsByStepgate, requireStepUp, riskCheck } from '@stepgate/sdk/express';
import { createStepgateClient } from '@stepgate/sdk';

const client = createStepgateClient({ url: 'https://stepgate.internal', key: 'secret' });
const subject = (req: express.Request) => req.get('x-user') ?? null;
export const app = express();
app.use('/account', riskCheck({ client, action: 'account', subject }));
app.post(
  '/checkout/:id',
  riskCheck({ client, action: 'checkout', subject, context: (req) => ({ amount: Number(req.body.amount) }) }),
  requireStepUp({ proofs: proofsByStepgate(client), subject, maxAgeSeconds: 60 }),
  (req, res) => {
    const id: string = req.params.id;
    const acr: string | null = proofOf(res).acr;
    res.json({ id, acr, decision: decisionOf(res).decision });
  },
);
// @ts-expect-error whose proof it must be cannot be forgotten
requireStepUp({ proofs: proofsByStepgate(client) });
`;

describe('the packed package', () => {
  test.each([
    ['nodenext', 'nodenext'],
    ['bundler', 'esnext'],
  ])(
    'has types that hold by themselves, resolved as %s',
    async (moduleResolution, module) => {
      await writeFile(join(project, 'hono.ts'), HONO);
      await writeFile(join(project, 'express.ts'), EXPRESS);
      const config = {
        compilerOptions: {
          target: 'es2024',
          lib: ['es2024', 'dom', 'dom.iterable'],
          module,
          moduleResolution,
          strict: true,
          exactOptionalPropertyTypes: true,
          noEmit: true,
          types: ['node'],
          skipLibCheck: false,
        },
        files: ['hono.ts', 'express.ts'],
      };
      await writeFile(join(project, 'tsconfig.json'), JSON.stringify(config));
      const compiled = run(join(ROOT, 'node_modules/.bin/tsc'), ['-p', project], project);
      expect(compiled).toEqual({ status: 0, output: '' });
    },
    120_000,
  );

  test('lets every export be imported at run time', async () => {
    const { exports } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as { exports: object };
    const names = Object.keys(exports).map((name) => `stepgate${name.slice(1)}`);
    expect(names).toEqual(expect.arrayContaining(['@stepgate/sdk', '@stepgate/sdk/hono']));
    const script = `
      for (const name of ${JSON.stringify(names)}) {
        const found = await import(name);
        console.log(name, Object.keys(found).length > 0);
      }`;
    const ran = run(process.execPath, ['--input-type=module', '-e', script], project);
    expect(ran.output.trim().split('\n')).toEqual(names.map((name) => `${name} true`));
  });

  describe('the shop of docs/checkout.md goes as written', () => {
    const page = readFileSync(join(ROOT, 'docs/checkout.md'), 'utf8');
    const programs = snippetsOf('docs/checkout.md', page);
    const harness = {
      hono: `
        import { serve } from '@hono/node-server';
        import { app, sessions } from './shop.ts';
        sessions.set('s-1', 'ann');
        serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, ({ port }) => console.log('port', port));`,
      express: `
        import { app, sessions } from './shop.ts';
        sessions.set('s-1', 'ann');
        const server = app.listen(0, '127.0.0.1', () => console.log('port', server.address().port));`,
    };
    let work: Workshop;

    beforeAll(async () => {
      work = await workshop();
      const [rules] = programs.filter(({ language, text }) => language === 'json' && text.includes('"rules"'));
      await writeFile(join(work.dir, 'checkout.json'), rules?.text ?? '');
      await writeFile(join(work.dir, 'default.json'), await readFile(join(ROOT, 'rules/default.json'), 'utf8'));
    });
    afterEach(() => work.tidy());
    afterAll(() => work.close());

    test.each(['hono', 'express'] as const)(
      'on %s',
      async (framework) => {
        const { issuers, token } = await trustedIssuer();
        const { server } = await work.start({ STEP_UP_ISSUERS: JSON.stringify(issuers) });
        const program = programs.find(({ place, text }) => place === 'server' && text.includes(`from '${framework}'`));
        await writeFile(join(project, 'shop.ts'), program?.text ?? '');
        await writeFile(join(project, 'harness.ts'), harness[framework]);
        const env = { ...process.env, STEPGATE_URL: server.url, STEPGATE_KEY: KEY, PORT: '0', NO_COLOR: '1' };
        const shop = spawn(process.execPath, ['harness.ts'], {
          cwd: project,
          env,
          stdio: ['ignore', 'pipe', 'inherit'],
        });
        work.onTidy(() => shop.kill());
        const lines = createInterface({ input: shop.stdout });
        let url = '';
        for await (const line of lines) {
          const [, port] = /^port (\d+)$/.exec(line) ?? [];
          if (port === undefined) continue;
          url = `http://127.0.0.1:${port}/api/checkout`;
          break;
        }
        const order = (amount: number, headers: Record<string, string> = {}) =>
          fetch(url, {
            method: 'POST',
            headers: { 'Content-Type': 'application/json', 'User-Agent': FIREFOX, ...headers },
            body: JSON.stringify({ amount }),
          });

        const small = await order(20);
        expect([small.status, await small.json()]).toEqual([200, { ordered: 20, decision: 'allow' }]);
        const large = await order(250);
        expect(large.status).toBe(401);
        expect(page).toContain(`\nwww-authenticate: ${large.headers.get('www-authenticate')}\n`);
        expect(page).toContain(`\ncontent-type: ${large.headers.get('content-type')}\n`);

        const device = { 'X-Stepgate-Device': 'v=1;fp=b1946ac92492d2347c6235b4d2611184' };
        const ann = { ...device, Cookie: 'session=s-1', 'X-Step-Up-Token': await token('ann') };
        const proven = await order(250, ann);
        expect([proven.status, await proven.json()]).toEqual([200, { ordered: 250, decision: 'allow' }]);
        expect(proven.headers.getSetCookie().join()).toContain('__Host-stepgate-device=');
        const wrong = await order(250, { ...ann, 'X-Step-Up-Token': await token('mallory') });
        expect(wrong.headers.get('www-authenticate')).toContain('subject_mismatch');
      },
      120_000,
    );
  });

  test('brings Express to nobody who uses Hono, and neither to whoever uses the client alone', async () => {
    await rm(join(project, 'node_modules/express'));
    const sdk = run(process.execPath, ['--input-type=module', '-e', "await import('@stepgate/sdk/hono')"], project);
    expect(sdk).toEqual({ status: 0, output: '' });
    await rm(join(project, 'node_modules/hono'));
    const script = "await import('@stepgate/sdk'); await import('@stepgate/sdk/proofs');";
    expect(run(process.execPath, ['--input-type=module', '-e', script], project)).toEqual({ status: 0, output: '' });
  });
});
