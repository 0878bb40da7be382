import { messageOf } from '../../model/error-text.ts';
import { StoreError, type StoreFailure } from '../../model/store-error.ts';

/** Replies of a server that is there but cannot serve anybody yet. */
const AWAY_REPLIES: ReadonlySet<string> = new Set(['LOADING', 'MASTERDOWN', 'CLUSTERDOWN', 'NOREPLICAS', 'BUSY']);

/** The store error for an error of the client. Replies quote keys and arguments, so only their first word is kept. */
export function storeErrorOf(error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  const message = messageOf(error);
  if (message === 'Command timed out') return new StoreError('timeout', 'Redis did not answer in time');
  if (isSentInCircles(error)) return new StoreError('rejected', 'Redis Cluster sent a command round in circles');
  if (error instanceof Error && error.name === 'ReplyError') return refusal(message);
  return new StoreError('unreachable', 'Redis cannot be reached');
}

/** Whether a cluster sent the command from server to server until the client gave up: no server has run it. */
export function isSentInCircles(error: unknown): boolean {
  return messageOf(error).startsWith('Too many Cluster redirections');
}

/** What a reply that is an error means to the store. */
export function refusal(message: string): StoreError {
  const [word = 'ERR'] = message.split(' ');
  const code: StoreFailure = AWAY_REPLIES.has(word) ? 'unreachable' : 'rejected';
  return new StoreError(code, `Redis refused a command: ${/^[A-Z]+$/.test(word) ? word : 'ERR'}`);
}

/** Why there is no connection, in one line without keys, values or passwords. */
export function connectionMessage(error: unknown): string {
  if (error instanceof StoreError) return error.message;
  if (error instanceof Error && error.name === 'ReplyError') return storeErrorOf(error).message;
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null;
  return `Redis cannot be reached: ${code ?? 'the connection broke'}`;
}
