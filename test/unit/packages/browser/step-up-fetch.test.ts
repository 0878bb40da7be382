import { Hono } from 'hono';
import { describe, expect, test, vi } from 'vitest';
import type { StepUpRequirement } from '../../../../packages/browser/src/challenge.ts';
import { type DeviceProver, deviceProver } from '../../../../packages/browser/src/device-key.ts';
import type { StepUpOutcome } from '../../../../packages/browser/src/step-up.ts';
import { type StepUpFetchOptions, stepUpFetch } from '../../../../packages/browser/src/step-up-fetch.ts';
import { wwwAuthenticate } from '../../../../src/step-up/challenge.ts';

const UNASKED = { amrValues: [], singleUse: false, unsatisfiable: false };
const SHOP = 'https://shop.example';
const DEVICE = 'v=1;fp=0123456789abcdef';

/** A shop that takes the tokens `fresh…`, and asks for what the query says otherwise. */
function shop() {
  const seen: { path: string; headers: Headers; body: string }[] = [];
  const app = new Hono();
  app.all('*', async (c) => {
    seen.push({ path: c.req.path, headers: c.req.raw.headers, body: await c.req.text() });
    if (c.req.path === '/open') return c.text('open');
    if (c.req.path === '/never' || !c.req.header('x-step-up-token')?.startsWith('fresh')) {
      const acrValues = (c.req.query('acr') ?? '').split(' ').filter(Boolean);
      const maxAgeSeconds = Number(c.req.query('max_age') ?? 600);
      const challenge = wwwAuthenticate({ acrValues, maxAgeSeconds, ...UNASKED });
      return c.text('step up', 401, { 'WWW-Authenticate': challenge });
    }
    return c.text(`done with ${c.req.header('x-step-up-token')}`);
  });
  return { seen, fetch: async (request: Request) => app.fetch(request) };
}

/** A person whose step-ups end when the test says so. */
function person() {
  const asked: {
    requirement: StepUpRequirement;
    end: (outcome: StepUpOutcome) => void;
    fail: (error: Error) => void;
  }[] = [];
  const onStepUp = (requirement: StepUpRequirement): Promise<StepUpOutcome> =>
    new Promise((end, fail) => asked.push({ requirement, end, fail }));
  const ask = (nth: number) =>
    vi.waitFor(
      () => {
        const found = asked[nth];
        if (found === undefined) throw new Error(`nobody asked for step-up ${nth + 1}`);
        return found;
      },
      { timeout: 20_000, interval: 1 },
    );
  return { asked, ask, onStepUp };
}

const collect = async () => ({ header: DEVICE });

function shopper(more: Partial<StepUpFetchOptions> = {}) {
  const { seen, fetch } = shop();
  const { asked, ask, onStepUp } = person();
  return { seen, asked, ask, fetch: stepUpFetch({ onStepUp, fetch, collect, origins: [SHOP], ...more }) };
}

/** Lets everything that is ready run, to see that something did not happen. */
const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));

describe('stepUpFetch', () => {
  test('stepUpFetch shows the device, and nothing else, where no step-up is asked for', async () => {
    const { fetch, seen, asked } = shopper();
    const response = await fetch(`${SHOP}/open`);
    expect(await response.text()).toBe('open');
    expect(seen[0]?.headers.get('x-stepgate-device')).toBe(DEVICE);
    expect(seen[0]?.headers.has('x-step-up-token')).toBe(false);
    expect(asked).toHaveLength(0);
  });

  test('stepUpFetch shows a foreign origin neither device nor token, and takes no challenge from it', async () => {
    const { fetch, seen, asked } = shopper();
    const response = await fetch('https://tracker.example/pay', { method: 'POST', body: 'x' });
    expect(response.status).toBe(401);
    expect(seen[0]?.headers.has('x-stepgate-device')).toBe(false);
    expect(seen).toHaveLength(1);
    expect(asked).toHaveLength(0);
  });

  test('stepUpFetch has the person step up and sends the request once more, body included', async () => {
    const { fetch, seen, asked, ask } = shopper();
    const answer = fetch(`${SHOP}/pay?acr=phr&max_age=60`, {
      method: 'PUT',
      body: JSON.stringify({ amount: 12 }),
      headers: { 'Content-Type': 'application/json', 'X-Basket': '7' },
    });
    await ask(0);
    expect(asked.map(({ requirement }) => requirement)).toMatchObject([{ acrValues: ['phr'], maxAge: 60 }]);
    (await ask(0)).end('fresh-1');
    expect(await (await answer).text()).toBe('done with fresh-1');
    expect(seen.map(({ body }) => body)).toEqual(['{"amount":12}', '{"amount":12}']);
    expect(seen[1]?.headers.get('x-basket')).toBe('7');
    expect(seen[1]?.headers.get('content-type')).toBe('application/json');
    expect(seen[1]?.headers.get('x-stepgate-device')).toBe(DEVICE);
  });

  test.each([
    ['text', () => 'text'],
    ['bytes', () => new TextEncoder().encode('text')],
    ['a blob', () => new Blob(['te', 'xt'])],
    ['parameters', () => new URLSearchParams({ a: 'b c' })],
  ])('stepUpFetch repeats a body of %s', async (_kind, make) => {
    const { fetch, seen, ask } = shopper();
    const answer = fetch(`${SHOP}/pay`, { method: 'POST', body: make() });
    (await ask(0)).end('fresh');
    await answer;
    expect(seen).toHaveLength(2);
    expect(seen[1]?.body).toBe(seen[0]?.body);
    expect(seen[1]?.body).not.toBe('');
  });

  test('stepUpFetch repeats a form with its file', async () => {
    const { fetch, seen, ask } = shopper();
    const form = new FormData();
    form.set('file', new File(['content'], 'receipt.txt'));
    const answer = fetch(`${SHOP}/pay`, { method: 'POST', body: form });
    (await ask(0)).end('fresh');
    await answer;
    expect(seen[1]?.body).toContain('filename="receipt.txt"');
    expect(seen[1]?.body).toBe(seen[0]?.body);
  });

  test('stepUpFetch repeats a stream, and a request that was made before', async () => {
    const { fetch, seen, ask } = shopper();
    const streamed = new Request(`${SHOP}/pay`, {
      method: 'POST',
      body: new Blob(['streamed']).stream(),
      duplex: 'half',
    } as RequestInit);
    const answer = fetch(streamed, { headers: { 'X-Basket': '9' } });
    (await ask(0)).end('fresh');
    await answer;
    expect(seen.map(({ body }) => body)).toEqual(['streamed', 'streamed']);
    expect(seen[1]?.headers.get('x-basket')).toBe('9');
  });

  test('stepUpFetch sends what was there when it was called, whatever becomes of the buffer', async () => {
    const { fetch, seen, ask } = shopper();
    const bytes = new TextEncoder().encode('before');
    const answer = fetch(`${SHOP}/pay`, { method: 'POST', body: bytes });
    bytes.fill(33);
    (await ask(0)).end('fresh');
    await answer;
    expect(seen.map(({ body }) => body)).toEqual(['before', 'before']);
  });

  test('stepUpFetch fails like fetch for a request whose body was used already', async () => {
    const { fetch } = shopper();
    const used = new Request(`${SHOP}/pay`, { method: 'POST', body: 'x' });
    await used.text();
    await expect(fetch(used)).rejects.toBeInstanceOf(TypeError);
  });

  test('stepUpFetch puts the token where it is told, or nowhere when cookies carry the proof', async () => {
    const { fetch, seen, ask } = shopper({ tokenHeader: 'X-Proof' });
    const withToken = fetch(`${SHOP}/pay`);
    (await ask(0)).end('fresh');
    await withToken;
    expect(seen[1]?.headers.get('x-proof')).toBe('fresh');
    const byCookie = fetch(`${SHOP}/pay`);
    (await ask(1)).end(true);
    await byCookie;
    expect(seen[3]?.headers.has('x-proof')).toBe(false);
  });

  test('stepUpFetch hands a second challenge to the caller instead of asking for ever', async () => {
    const { fetch, seen, asked, ask } = shopper();
    const answer = fetch(`${SHOP}/never`);
    (await ask(0)).end('fresh');
    expect((await answer).status).toBe(401);
    await turn();
    expect(seen).toHaveLength(2);
    expect(asked).toHaveLength(1);
  });

  test('stepUpFetch hands over the refusal of a proof that was spent before, and asks nobody again', async () => {
    const sent: string[] = [];
    const { asked, ask, onStepUp } = person();
    const challenge = (code?: string) =>
      wwwAuthenticate({ acrValues: [], maxAgeSeconds: 0, ...UNASKED }, code === undefined ? {} : { code });
    const replayed = async (request: Request): Promise<Response> => {
      sent.push(request.headers.get('x-step-up-token') ?? 'none');
      return new Response('step up', {
        status: 401,
        headers: { 'WWW-Authenticate': challenge(sent.length > 1 ? 'replayed' : undefined) },
      });
    };
    const answer = stepUpFetch({ onStepUp, fetch: replayed, collect, origins: [SHOP] })(`${SHOP}/pay`);
    (await ask(0)).end('minted-without-asking');
    const response = await answer;
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toContain('replayed');
    await turn();
    expect(sent).toEqual(['none', 'minted-without-asking']);
    expect(asked).toHaveLength(1);
  });

  test('stepUpFetch hands over the challenge, still readable, when the person declines', async () => {
    const { fetch, seen, ask } = shopper();
    const answer = fetch(`${SHOP}/pay`, { method: 'POST', body: 'x' });
    (await ask(0)).end(false);
    const response = await answer;
    expect(response.status).toBe(401);
    expect(await response.text()).toBe('step up');
    expect(seen).toHaveLength(1);
  });

  test.each([
    ['undefined', undefined],
    ['an empty text', ''],
  ])('stepUpFetch takes %s for a decline', async (_case, outcome) => {
    const { fetch, ask } = shopper();
    const answer = fetch(`${SHOP}/pay`);
    (await ask(0)).end(outcome as StepUpOutcome);
    expect((await answer).status).toBe(401);
  });

  test('stepUpFetch tells why a step-up failed, also where it could not even begin', async () => {
    const failing = shopper();
    const answer = failing.fetch(`${SHOP}/pay`);
    (await failing.ask(0)).fail(new Error('no authenticator'));
    await expect(answer).rejects.toThrow('no authenticator');
    const broken = shopper({
      onStepUp: () => {
        throw new Error('not configured');
      },
    });
    await expect(broken.fetch(`${SHOP}/pay`)).rejects.toThrow('not configured');
  });

  describe('of several requests at once', () => {
    test('Of several requests at once asks once for all and sends each of them again', async () => {
      const { fetch, seen, asked, ask } = shopper();
      const answers = ['a', 'b', 'c'].map((name) => fetch(`${SHOP}/pay/${name}`, { method: 'POST', body: name }));
      await turn();
      expect(asked).toHaveLength(1);
      (await ask(0)).end('fresh');
      for (const answer of answers) expect((await answer).status).toBe(200);
      expect(asked).toHaveLength(1);
      expect(seen.map(({ body }) => body).sort()).toEqual(['a', 'a', 'b', 'b', 'c', 'c']);
    });

    test('Of several requests at once does not ask again for one whose challenge comes after the step-up that it needed', async () => {
      const { seen, fetch: send } = shop();
      const { asked, ask, onStepUp } = person();
      let release = (): void => undefined;
      const held = new Promise<void>((resolve) => {
        release = resolve;
      });
      const slow = async (request: Request): Promise<Response> => {
        const response = await send(request);
        if (request.url.endsWith('/slow')) await held;
        return response;
      };
      const fetch = stepUpFetch({ onStepUp, fetch: slow, collect, origins: [SHOP] });
      const late = fetch(`${SHOP}/slow`);
      const quick = fetch(`${SHOP}/pay`);
      (await ask(0)).end('fresh');
      await quick;
      release();
      expect(await (await late).text()).toBe('done with fresh');
      expect(asked).toHaveLength(1);
      expect(seen).toHaveLength(4);
    });

    test('Of several requests at once asks anew for a request that left after the step-up was over', async () => {
      const { fetch, ask } = shopper();
      const first = fetch(`${SHOP}/pay`);
      (await ask(0)).end('fresh');
      await first;
      void fetch(`${SHOP}/pay`);
      await ask(1);
    });

    test('Of several requests at once asks a second time only for what the first step-up does not show', async () => {
      const { fetch, seen, asked, ask } = shopper();
      const mild = fetch(`${SHOP}/a?max_age=600`);
      await ask(0);
      const milder = fetch(`${SHOP}/b?max_age=900`);
      const fresher = fetch(`${SHOP}/c?max_age=60`);
      const stronger = fetch(`${SHOP}/d?max_age=300&acr=phr`);
      await vi.waitFor(() => expect(seen).toHaveLength(4));
      await turn();
      expect(asked).toHaveLength(1);
      (await ask(0)).end('fresh-1');
      expect(await (await mild).text()).toBe('done with fresh-1');
      expect(await (await milder).text()).toBe('done with fresh-1');
      await ask(1);
      expect(asked.slice(1).map(({ requirement }) => requirement)).toMatchObject([{ acrValues: ['phr'], maxAge: 60 }]);
      (await ask(1)).end('fresh-2');
      expect(await (await fresher).text()).toBe('done with fresh-2');
      expect(await (await stronger).text()).toBe('done with fresh-2');
    });

    test('Of several requests at once asks one after the other where no class of assurance would do for both', async () => {
      const { fetch, asked, ask } = shopper();
      const one = fetch(`${SHOP}/a?acr=one`);
      const two = fetch(`${SHOP}/b?acr=two`);
      const either = fetch(`${SHOP}/c?acr=two+one`);
      await ask(0);
      expect(asked.map(({ requirement }) => requirement.acrValues)).toEqual([['one']]);
      (await ask(0)).end('fresh-1');
      await one;
      await either;
      await ask(1);
      expect(asked.map(({ requirement }) => requirement.acrValues)).toEqual([['one'], ['two']]);
      (await ask(1)).end('fresh-2');
      expect(await (await two).text()).toBe('done with fresh-2');
    });

    test('Of several requests at once asks for each request that wants a log-in of now, one after the other, and lends its step-up to no other such', async () => {
      const { fetch, seen, asked, ask } = shopper();
      const answers = ['a', 'b'].map((name) => fetch(`${SHOP}/${name}?max_age=0`));
      for (const nth of [0, 1]) {
        await ask(nth);
        await turn();
        expect(asked).toHaveLength(nth + 1);
        (await ask(nth)).end(`fresh-${nth}`);
      }
      const texts = await Promise.all(answers.map(async (answer) => (await answer).text()));
      expect(texts.sort()).toEqual(['done with fresh-0', 'done with fresh-1']);
      expect(asked.map(({ requirement }) => requirement.maxAge)).toEqual([0, 0]);
      expect(seen).toHaveLength(4);
    });

    test('Of several requests at once takes no step-up of before for one that wants a log-in of now', async () => {
      const { fetch, asked, ask } = shopper();
      const mild = fetch(`${SHOP}/a?max_age=600`);
      await ask(0);
      const now = fetch(`${SHOP}/b?max_age=0`);
      await turn();
      (await ask(0)).end('fresh-0');
      expect(await (await mild).text()).toBe('done with fresh-0');
      (await ask(1)).end('fresh-1');
      expect(await (await now).text()).toBe('done with fresh-1');
      expect(asked.map(({ requirement }) => requirement.maxAge)).toEqual([600, 0]);
    });

    test('Of several requests at once asks nobody for more than they want because another wants a log-in of now', async () => {
      const { fetch, asked, ask } = shopper();
      const first = fetch(`${SHOP}/a?acr=one`);
      await ask(0);
      const mild = fetch(`${SHOP}/b?max_age=600&acr=two`);
      await turn();
      const now = fetch(`${SHOP}/c?max_age=0`);
      await turn();
      (await ask(0)).end('fresh-0');
      await first;
      (await ask(1)).end('fresh-1');
      (await ask(2)).end('fresh-2');
      expect([(await now).status, (await mild).status]).toEqual([200, 200]);
      const asks = asked.map(({ requirement: { acrValues, maxAge } }) => [...acrValues, maxAge].join(' '));
      expect(asks).toEqual(['one 600', 'two 600', '0']);
    });

    test('Of several requests at once lets one that takes an older log-in go with the step-up of one that wants it of now', async () => {
      const { fetch, asked, ask } = shopper();
      const now = fetch(`${SHOP}/a?max_age=0`);
      await ask(0);
      const mild = fetch(`${SHOP}/b?max_age=600`);
      await turn();
      (await ask(0)).end('fresh-0');
      expect(await (await mild).text()).toBe('done with fresh-0');
      await now;
      expect(asked).toHaveLength(1);
    });

    test('Of several requests at once takes a decline for all that want a log-in of now as well', async () => {
      const { fetch, asked, ask } = shopper();
      const answers = ['a', 'b'].map((name) => fetch(`${SHOP}/${name}?max_age=0`));
      (await ask(0)).end(false);
      for (const answer of answers) expect((await answer).status).toBe(401);
      await turn();
      expect(asked).toHaveLength(1);
    });

    test('Of several requests at once takes one decline, or one failure, for all that wait', async () => {
      for (const end of ['decline', 'fail'] as const) {
        const { fetch, asked, ask } = shopper();
        const answers = [fetch(`${SHOP}/a?max_age=600`), fetch(`${SHOP}/b?max_age=60`)];
        await turn();
        if (end === 'decline') (await ask(0)).end(false);
        else (await ask(0)).fail(new Error('gone'));
        const ends = await Promise.allSettled(answers);
        if (end === 'decline') expect(ends).toMatchObject([{ value: { status: 401 } }, { value: { status: 401 } }]);
        else expect(ends).toMatchObject([{ reason: { message: 'gone' } }, { reason: { message: 'gone' } }]);
        await turn();
        expect(asked).toHaveLength(1);
      }
    });
  });

  describe('with a signal', () => {
    test('stepUpFetch with a signal ends the one request while it waits, and not the step-up of the others', async () => {
      const { fetch, seen, asked, ask } = shopper();
      const leaving = new AbortController();
      const left = fetch(`${SHOP}/a`, { signal: leaving.signal });
      const stays = fetch(`${SHOP}/b`);
      await turn();
      leaving.abort(new Error('closed the tab'));
      await expect(left).rejects.toThrow('closed the tab');
      (await ask(0)).end('fresh');
      expect((await stays).status).toBe(200);
      await turn();
      expect(seen.map(({ path }) => path).sort()).toEqual(['/a', '/b', '/b']);
      expect(asked).toHaveLength(1);
    });

    test('stepUpFetch with a signal never has the person asked for a request that gave up in the queue', async () => {
      const { fetch, asked, ask } = shopper();
      const leaving = new AbortController();
      const stays = fetch(`${SHOP}/a?max_age=600`);
      await turn();
      const left = fetch(`${SHOP}/b?max_age=60`, { signal: leaving.signal });
      await turn();
      leaving.abort();
      await expect(left).rejects.toMatchObject({ name: 'AbortError' });
      (await ask(0)).end('fresh');
      await stays;
      await turn();
      expect(asked).toHaveLength(1);
    });

    test('stepUpFetch with a signal ends a request before it left, and while the device is looked at', async () => {
      const { fetch, seen } = shopper({ collect: () => new Promise(() => undefined) });
      await expect(fetch(`${SHOP}/open`, { signal: AbortSignal.abort() })).rejects.toMatchObject({
        name: 'AbortError',
      });
      const leaving = new AbortController();
      const looking = fetch(`${SHOP}/open`, { signal: leaving.signal });
      await turn();
      leaving.abort();
      await expect(looking).rejects.toMatchObject({ name: 'AbortError' });
      expect(seen).toHaveLength(0);
    });

    test('stepUpFetch with a signal ends the repeated request too', async () => {
      const { fetch: send } = shop();
      const { ask, onStepUp } = person();
      const hanging = async (request: Request): Promise<Response> => {
        if (!request.headers.has('x-step-up-token')) return send(request);
        return new Promise((_resolve, reject) => {
          request.signal.addEventListener('abort', () => reject(request.signal.reason));
        });
      };
      const fetch = stepUpFetch({ onStepUp, fetch: hanging, collect, origins: [SHOP] });
      const leaving = new AbortController();
      const answer = fetch(`${SHOP}/pay`, { method: 'POST', body: 'x', signal: leaving.signal });
      (await ask(0)).end('fresh');
      await turn();
      leaving.abort(new Error('enough'));
      await expect(answer).rejects.toThrow('enough');
    });
  });

  describe('and the device', () => {
    test('And the device looks once, remembers, and looks again a few times where it could not tell', async () => {
      let looks = 0;
      const { fetch, seen } = shopper({
        collect: async () => {
          looks += 1;
          return { header: looks < 2 ? null : DEVICE };
        },
      });
      for (let i = 0; i < 4; i += 1) await fetch(`${SHOP}/open`);
      expect(looks).toBe(2);
      expect(seen.map(({ headers }) => headers.get('x-stepgate-device'))).toEqual([null, DEVICE, DEVICE, DEVICE]);
    });

    test('And the device gives up looking after three times, and sends the request all the same', async () => {
      let looks = 0;
      const { fetch, seen } = shopper({
        collect: async () => {
          looks += 1;
          throw new Error('blocked');
        },
      });
      for (let i = 0; i < 5; i += 1) expect((await fetch(`${SHOP}/open`)).status).toBe(200);
      expect(looks).toBe(3);
      expect(seen).toHaveLength(5);
    });

    test('And the device leaves a header alone that the caller set, and sends none where it is told not to look', async () => {
      const { fetch, seen } = shopper();
      await fetch(`${SHOP}/open`, { headers: { 'X-Stepgate-Device': 'v=1;fp=own' } });
      expect(seen[0]?.headers.get('x-stepgate-device')).toBe('v=1;fp=own');
      const blind = shopper({ collect: null });
      await blind.fetch(`${SHOP}/open`);
      expect(blind.seen[0]?.headers.has('x-stepgate-device')).toBe(false);
    });
  });

  test('stepUpFetch keeps a request that shows the device from following redirects', async () => {
    const redirects: string[] = [];
    const { fetch } = shopper({
      fetch: async (request) => {
        redirects.push(request.redirect);
        return new Response();
      },
    });
    await fetch(`${SHOP}/a`);
    await fetch(`${SHOP}/a`, { redirect: 'manual' });
    await fetch('https://other.example/a');
    expect(redirects).toEqual(['error', 'manual', 'follow']);
  });
});

describe('the proof of the device’s key', () => {
  const counting = () => {
    const asked: string[] = [];
    const clocks: (string | null)[] = [];
    const prover: DeviceProver = {
      prove: async ({ method, url }) => `proof-${asked.push(`${method} ${url}`)}`,
      setClock: ({ headers }) => clocks.push(headers.get('Date')),
    };
    return { asked, clocks, prover };
  };

  test('Each try of a request has a proof of its own, made by the clock of the server that asked for the step-up', async () => {
    const { asked, clocks, prover } = counting();
    const { fetch, seen, ask } = shopper({ prover, proofOrigins: [SHOP] });
    const paying = fetch(`${SHOP}/pay?x=1`, { method: 'POST', body: 'all of it' });
    (await ask(0)).end('fresh');
    await paying;
    expect(asked).toEqual([`POST ${SHOP}/pay?x=1`, `POST ${SHOP}/pay?x=1`]);
    expect(seen.map(({ headers }) => headers.get('x-stepgate-device-proof'))).toEqual(['proof-1', 'proof-2']);
    expect(seen[1]?.body).toBe('all of it');
    expect(clocks).toHaveLength(1);
  });

  test('It goes to other origins only where the page says that they take it', async () => {
    const { asked, prover } = counting();
    const { fetch, seen } = shopper({ prover });
    await fetch(`${SHOP}/open`);
    expect(seen[0]?.headers.get('x-stepgate-device')).toBe(DEVICE);
    expect(seen[0]?.headers.has('x-stepgate-device-proof')).toBe(false);
    expect(asked).toEqual([]);
  });

  test('A browser without a key, or a page that wants none, sends none', async () => {
    for (const prover of [null, deviceProver()]) {
      const { fetch, seen } = shopper({ prover, proofOrigins: [SHOP] });
      expect(await (await fetch(`${SHOP}/open`)).text()).toBe('open');
      expect(seen[0]?.headers.has('x-stepgate-device-proof')).toBe(false);
    }
  });
});
