import { connect, type Socket } from 'node:net';

/** What one stretch of load came to. */
export interface Stretch {
  readonly perSecond: number;
  /** Latencies of all requests in ms, ascending. */
  readonly latencies: readonly number[];
}

/** The latency below which this share of the requests lies, in ms. */
export function percentile({ latencies }: Stretch, share: number): number {
  return latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? Number.NaN;
}

/** One HTTP/1.1 request as it goes over a kept connection. `more`: header lines. */
export function rawRequest(url: string, key: string, body: object, more: readonly string[] = []): Buffer {
  const { host, pathname } = new URL(url);
  const text = JSON.stringify(body);
  const head = [
    `POST ${pathname} HTTP/1.1`,
    `Host: ${host}`,
    `Authorization: Bearer ${key}`,
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(text)}`,
    ...more,
  ];
  return Buffer.from(`${head.join('\r\n')}\r\n\r\n${text}`);
}

export interface StretchOptions {
  readonly connections: number;
  readonly forMs: number;
  readonly next: () => Buffer;
  readonly see?: SeeAnswer;
  /** How long each connection rests between two requests on average, in ms; default 0. */
  readonly restMs?: number;
}

/** Takes each answer of a stretch. */
export type SeeAnswer = (status: number, body: string, ms: number) => void;

/**
 * Sends requests over this many connections for this long, each connection one after the other. It writes and reads raw
 * bytes, so that most of the machine is left to the server.
 * @throws Error on an answer other than 200, unless `see` takes the answers.
 */
export async function stretch(
  url: string,
  { connections, forMs, next, see, restMs = 0 }: StretchOptions,
): Promise<Stretch> {
  const { hostname, port } = new URL(url);
  const latencies: number[] = [];
  const startedMs = performance.now();
  const endMs = startedMs + forMs;
  const run = async (): Promise<void> => {
    const { ask, close } = openConnection(hostname, port);
    while (performance.now() < endMs) {
      const sentMs = performance.now();
      const { status, body } = await ask(next());
      const ms = performance.now() - sentMs;
      latencies.push(ms);
      if (see !== undefined) see(status, body, ms);
      else if (status !== 200) throw new Error(`${url} answered ${status}: ${body}`);
      // Of differing length, so that the connections do not march in step.
      if (restMs > 0) await new Promise((resolve) => setTimeout(resolve, 2 * restMs * Math.random()));
    }
    close();
  };
  await Promise.all(Array.from({ length: connections }, run));
  const seconds = (performance.now() - startedMs) / 1000;
  return { perSecond: latencies.length / seconds, latencies: latencies.sort((a, b) => a - b) };
}

export interface FixedRateOptions {
  readonly perSecond: number;
  readonly forMs: number;
  readonly next: () => Buffer;
  /** A request that finds all of them busy waits, and its wait counts. Default 256. */
  readonly connections?: number;
}

/**
 * Sends requests at a fixed rate, however slowly they are answered, and counts each latency from the moment at which the
 * request was due: what waits behind a slow answer is not left out (Gil Tene, "How NOT to Measure Latency": coordinated
 * omission).
 */
export async function fixedRate(
  url: string,
  { perSecond, forMs, next, connections = 256 }: FixedRateOptions,
): Promise<Stretch> {
  const { hostname, port } = new URL(url);
  const all = Array.from({ length: connections }, () => openConnection(hostname, port));
  const free = [...all];
  const latencies: number[] = [];
  const running = new Set<Promise<void>>();
  const waiting: number[] = [];
  const count = Math.floor((perSecond * forMs) / 1000);
  const startedMs = performance.now();
  const send = (dueMs: number): void => {
    // In turns: a connection that never asks is closed by the server after a while, with an answer to nothing.
    const connection = free.shift();
    if (connection === undefined) {
      waiting.push(dueMs);
      return;
    }
    const answered = connection.ask(next()).then(({ status, body }) => {
      if (status !== 200) throw new Error(`${url} answered ${status}: ${body}`);
      latencies.push(performance.now() - dueMs);
      running.delete(answered);
      free.push(connection);
      const first = waiting.shift();
      if (first !== undefined) send(first);
    });
    running.add(answered);
  };
  for (let sent = 0; sent < count; ) {
    for (; sent < count && startedMs + (1000 * sent) / perSecond <= performance.now(); sent += 1) {
      send(startedMs + (1000 * sent) / perSecond);
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  while (running.size > 0) await Promise.all(running);
  const seconds = (performance.now() - startedMs) / 1000;
  for (const { close } of all) close();
  return { perSecond: latencies.length / seconds, latencies: latencies.sort((a, b) => a - b) };
}

/** One kept connection, for one request at a time. */
function openConnection(host: string, port: string) {
  const socket = connect({ host, port: Number(port), noDelay: true });
  const read = reader(socket);
  return {
    ask: (request: Buffer) => {
      socket.write(request);
      return read();
    },
    close: () => socket.destroy(),
  };
}

const LAST_CHUNK = '0\r\n\r\n';

/** Reads answers with a `Content-Length` or an empty body, one per call. */
function reader(socket: Socket): () => Promise<{ status: number; body: string }> {
  let text = '';
  let waiting: PromiseWithResolvers<{ status: number; body: string }> | null = null;
  const look = (): void => {
    const end = text.indexOf('\r\n\r\n');
    if (end === -1 || waiting === null) return;
    const head = text.slice(0, end);
    // In chunks comes nothing but an empty body.
    const isChunked = /transfer-encoding: chunked/i.test(head);
    const length = isChunked ? LAST_CHUNK.length : Number(/content-length: (\d+)/i.exec(head)?.[1]);
    if (Number.isNaN(length)) {
      waiting.reject(new Error(`an answer has no length: ${head}`));
      return;
    }
    if (text.length < end + 4 + length) return;
    const answer = { status: Number(text.slice(9, 12)), body: text.slice(end + 4, end + 4 + length) };
    text = text.slice(end + 4 + length);
    const { resolve } = waiting;
    waiting = null;
    resolve(answer);
  };
  // One character a byte, so that lengths in bytes can be compared.
  socket.setEncoding('latin1');
  socket.on('data', (data) => {
    text += data;
    look();
  });
  socket.on('error', (error) => waiting?.reject(error));
  socket.on('close', () => waiting?.reject(new Error('the server closed the connection')));
  return () => {
    const asked = Promise.withResolvers<{ status: number; body: string }>();
    waiting = asked;
    look();
    return asked.promise;
  };
}
