import { IncomingMessage } from 'node:http';
import { type ReadBody, readStream } from '../http/body.ts';
import { joined } from '../net/body.ts';

/**
 * Reads the body from Node's own request, without converting it into a web stream. Falls back to the web stream if the
 * app runs without a Node server. A client that disconnects ends the reading with an error.
 */
export const readIncoming: ReadBody = async (c, limit) => {
  const incoming = c.env?.incoming;
  return incoming instanceof IncomingMessage ? collect(incoming, limit) : readStream(c, limit);
};

function collect(incoming: IncomingMessage, limit: number): Promise<Uint8Array | null> {
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = [];
    let length = 0;
    incoming.on('data', (chunk: Uint8Array) => {
      length += chunk.byteLength;
      if (length > limit) resolve(null);
      else chunks.push(chunk);
    });
    incoming.on('end', () => resolve(joined(chunks, length)));
    incoming.on('error', reject);
    incoming.on('close', () => {
      if (!incoming.complete) reject(new Error('the client closed the connection'));
    });
  });
}
