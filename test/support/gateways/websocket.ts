/** Text frames of RFC 6455, section 5, as short as a test needs them. */

/** A frame of up to 125 bytes. What a client sends is masked (section 5.3), what a server sends is not. */
export function textFrame(text: string, mask?: Buffer): Buffer {
  const payload = Buffer.from(text);
  if (payload.length > 125) throw new RangeError(`a short frame holds 125 bytes, not ${payload.length}`);
  const head = [0x81, payload.length | (mask === undefined ? 0 : 0x80)];
  return mask === undefined
    ? Buffer.from([...head, ...payload])
    : Buffer.from([...head, ...mask, ...masked(payload, mask)]);
}

/**
 * The text of the frame that `received` begins with; null while it is not all there.
 *
 * @throws {Error} for any other frame than a short text
 */
export function frameText(received: Buffer): string | null {
  const [first = 0x81, second = 0] = received;
  const length = second & 0x7f;
  if (first !== 0x81 || length > 125) throw new Error(`not a short text frame: ${received.toString('hex')}`);
  const isMasked = (second & 0x80) !== 0;
  const start = isMasked ? 6 : 2;
  if (received.length < start + length || received.length < 2) return null;
  const payload = received.subarray(start, start + length);
  return (isMasked ? masked(payload, received.subarray(2, 6)) : payload).toString();
}

function masked(payload: Buffer, mask: Buffer): Buffer {
  return Buffer.from(payload.map((byte, i) => byte ^ (mask[i % 4] ?? 0)));
}
