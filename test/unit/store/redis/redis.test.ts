import { createServer, type Socket } from 'node:net';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { reconnectDelayMs, redisStore } from '../../../../src/store/redis/redis.ts';
import { attemptBy } from '../../../contract/store/store-suite.ts';

const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

test('The wait before another try to connect lies between half and all of what grows with each try, up to a second', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 10_000 }), chance, (tries, fraction) => {
      const longest = Math.min(50 * tries, 1000);
      const delay = reconnectDelayMs(tries, () => fraction);
      expect(delay).toBeGreaterThanOrEqual(longest / 2);
      expect(delay).toBeLessThanOrEqual(longest);
    }),
  );
});

test('A hundred processes that lost one server come back at moments of their own', () => {
  const delays = Array.from({ length: 100 }, (_, i) => reconnectDelayMs(20, () => i / 100));
  expect(new Set(delays).size).toBe(100);
});

test('The wait to reconnect is the longest without a source of chance', () => {
  expect([1, 2, 20, 21].map((tries) => reconnectDelayMs(tries))).toEqual([50, 100, 1000, 1000]);
});

/** Replies without which nobody counts as connected. */
const INFO = 'redis_version:7.4.0\r\nloading:0\r\n';
const GREETINGS: Readonly<Record<string, string>> = {
  HELLO: '%1\r\n+proto\r\n:3',
  CLIENT: '+OK',
  INFO: `$${INFO.length}\r\n${INFO}`,
  PING: '+PONG',
};

/** A server that greets as Redis does, and answers everything else by this reply. */
async function speaker(reply: string): Promise<{ readonly url: string; stop(): void }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.setEncoding('latin1');
    let received = '';
    socket.on('data', (data) => {
      received += data;
      for (;;) {
        const [head, count] = /^\*(\d+)\r\n/.exec(received) ?? [];
        if (head === undefined) return;
        const words: string[] = [];
        let at = head.length;
        for (let i = 0; i < Number(count); i += 1) {
          const [line, length] = /^\$(\d+)\r\n/.exec(received.slice(at)) ?? [];
          if (line === undefined || received.length < at + line.length + Number(length) + 2) return;
          words.push(received.slice(at + line.length, at + line.length + Number(length)));
          at += line.length + Number(length) + 2;
        }
        received = received.slice(at);
        socket.write(`${GREETINGS[words[0]?.toUpperCase() ?? ''] ?? reply}\r\n`);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('the server has no port');
  return {
    url: `redis://127.0.0.1:${address.port}`,
    stop() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

/** @see https://github.com/spring-cloud/spring-cloud-gateway/issues/248 */
test.each([
  "CROSSSLOT Keys in request don't hash to the same slot",
  'OOM command not allowed when used memory > maxmemory.',
  'NOPERM this user has no permissions to run the command',
])(
  'A script that is refused by %s has failed: nothing is read as a count of zero, as a first use or as stored',
  async (reply) => {
    const server = await speaker(`-${reply}`);
    const store = redisStore({ url: server.url, timeoutMs: 5000 });
    try {
      await store.ping();
      const failed = { state: 'failed', why: 'rejected' };
      expect(
        await store.recordAttempt(
          attemptBy({ subject: 'alice', address: 'a', network: 'n', device: 'd' }, 1_741_608_000, { country: 'NL' }),
        ),
      ).toEqual({ subject: failed, address: failed, device: failed });
      const rejected = { name: 'StoreError', code: 'rejected' };
      await expect(store.spendProof('proof', 600)).rejects.toMatchObject(rejected);
      await expect(store.readSubject('alice', 1_741_608_000_000)).rejects.toMatchObject(rejected);
      await expect(store.updateBaseline('alice', () => null)).rejects.toMatchObject(rejected);
      await expect(store.forgetSubject('alice')).rejects.toMatchObject(rejected);
    } finally {
      await store.close();
      server.stop();
    }
  },
);
