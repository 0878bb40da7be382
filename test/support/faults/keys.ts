import type { ServerResponse } from 'node:http';
import { FETCH_TIMEOUT_MS } from '../../../src/step-up/keys.ts';
import { type Issuer, issuer } from '../issuer.ts';
import { json, type StandIn, standIn } from '../servers/stand-in.ts';
import type { Scenario } from './scenarios.ts';

/** An issuer whose keys lie at an endpoint of its own. */
export interface KeyStand {
  readonly endpoint: StandIn;
  readonly signer: Issuer;
  /** For `STEP_UP_ISSUERS`. */
  readonly issuers: string;
  /** How often the keys have been asked for. */
  asked(): number;
  stop(): Promise<void>;
}

/** One way in which a key endpoint fails. */
export interface KeyScenario extends Scenario<KeyStand> {
  /** What can be had of it: `nothing`, or `keys`, though late. */
  readonly leaves: 'nothing' | 'keys';
  /** Whether whoever asks it waits for the whole time limit. */
  readonly hangs: boolean;
  /** A part of what callers are told about it. */
  readonly why: string;
}

const PATH = '/keys';

export async function startKeyStand(): Promise<KeyStand> {
  const endpoint = await standIn();
  const signer = issuer();
  const { jwks: _, ...entry } = signer.entry();
  const stand: KeyStand = {
    endpoint,
    signer,
    issuers: JSON.stringify([{ ...entry, jwks_uri: `${endpoint.url}${PATH}` }]),
    asked: () => endpoint.asked.length,
    stop: endpoint.stop,
  };
  heal(stand);
  return stand;
}

function heal({ endpoint, signer }: KeyStand): void {
  endpoint.behave(json({ keys: [signer.jwk] }));
}

function scenario(
  name: string,
  answer: (response: ServerResponse, stand: KeyStand) => void,
  more: Pick<KeyScenario, 'why'> & Partial<Pick<KeyScenario, 'leaves' | 'hangs'>>,
): KeyScenario {
  return {
    name,
    leaves: 'nothing',
    hangs: false,
    ...more,
    begin: async (stand) => stand.endpoint.behave((_request, response) => answer(response, stand)),
    end: async (stand) => heal(stand),
  };
}

/** Far above what is read of an answer, in bytes. */
const HUGE_PIECE = 'x'.repeat(64 * 1024);

function writeOn(response: ServerResponse): void {
  while (!response.destroyed && response.write(HUGE_PIECE));
  if (!response.destroyed) response.once('drain', () => writeOn(response));
}

/** Each reads on after "the key endpoint ". */
export const KEY_SCENARIOS: readonly KeyScenario[] = [
  scenario(
    'is slow within its time limit',
    (response, { signer }) => {
      setTimeout(() => response.end(JSON.stringify({ keys: [signer.jwk] })), FETCH_TIMEOUT_MS / 4);
    },
    { leaves: 'keys', why: '' },
  ),
  scenario('never answers', () => undefined, { hangs: true, why: 'did not respond within' }),
  scenario('stops in the middle of its answer', (response) => void response.writeHead(200).write('{"keys":['), {
    hangs: true,
    why: 'did not finish its response within',
  }),
  scenario('resets each connection', (response) => response.socket?.resetAndDestroy(), { why: 'cannot be reached' }),
  scenario('answers 500', (response) => void response.writeHead(500).end('oops'), { why: 'answered 500' }),
  scenario('answers garbage', (response) => void response.end('<html>log in to the Wi-Fi</html>'), {
    why: 'did not return JSON',
  }),
  scenario(
    'answers without end',
    (response) => {
      response.write('{"keys":["');
      writeOn(response);
    },
    { why: 'returned more than' },
  ),
];
