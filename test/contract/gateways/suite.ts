import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { GATEWAYS, type Shown } from '../../../scripts/gateways-table.ts';
import { type ClientRequest, send, sentHeaders } from '../../support/gateways/client.ts';
import { type Origin, startOrigins } from '../../support/gateways/origins.ts';
import { type EngineRuntime, openStage, type Stage } from '../../support/gateways/stage.ts';
import { deviceSessionTests } from './device-session.ts';
import { pageTests } from './pages.ts';
import { type Gateway, play, SCENARIOS, standsBetween } from './scenarios.ts';

/** What a gateway's own test file says about it. */
export interface GatewaySuite {
  /** Its id in docs/gateways.json. */
  readonly id: string;
  readonly how: Shown;
  /** What the engine runs on; default: Node. */
  readonly runtime?: EngineRuntime;
  /** Settings of the engine that this gateway needs. */
  readonly settings?: { readonly [name: string]: string };
  /** Starts it in front of the stage. */
  open(stage: Stage): Promise<Gateway & { close(): Promise<void> }>;
  /** Scenarios that cannot be shown here. */
  readonly cannotShow?: readonly string[];
}

/** Defines one test for each scenario, and one that compares what was shown with docs/gateways.json. */
export function gatewaySuite({ id, how, runtime, settings, open, cannotShow = [] }: GatewaySuite): void {
  let stage: Stage;
  let gateway: (Gateway & { close(): Promise<void> }) | undefined;
  let origins: readonly Origin[] = [];
  let beforeOrigins: readonly (Gateway & { close(): Promise<void> })[] = [];
  const shown: Record<string, Shown> = {};

  beforeAll(async () => {
    stage = await openStage(settings, runtime);
    gateway = await open(stage);
    if (!standsBetween(how)) return;
    origins = await startOrigins();
    beforeOrigins = await Promise.all(origins.map(async (origin) => inFrontOf(stage, origin, open)));
  });

  afterAll(async () => {
    for (const started of [...beforeOrigins, ...origins]) await started.close();
    await gateway?.close();
    await stage?.close();
  });

  for (const scenario of SCENARIOS) {
    if (cannotShow.includes(scenario.id) || (scenario.gateway_only && !standsBetween(how))) {
      shown[scenario.id] = 'not shown';
      continue;
    }
    test(scenario.title, async () => {
      if (gateway === undefined) throw new Error('the gateway did not start');
      await play(stage, gateway, how, scenario);
      for (const before of scenario.origins ? beforeOrigins : []) await play(stage, before, how, scenario);
      shown[scenario.id] = how;
    });
  }

  if (standsBetween(how)) {
    const gatewayOf = (): Gateway => {
      if (gateway === undefined) throw new Error('the gateway did not start');
      return gateway;
    };
    deviceSessionTests(() => stage, gatewayOf);
    pageTests(() => stage, gatewayOf);
  }

  test('The gateway shows what docs/gateways.json says', () => {
    const row = Object.fromEntries(SCENARIOS.map((scenario) => [scenario.id, shown[scenario.id] ?? 'failed']));
    console.log(
      `${id}: ${Object.entries(row)
        .map((cell) => cell.join(' '))
        .join(', ')}`,
    );
    expect(row).toEqual(GATEWAYS.gateways.find((candidate) => candidate.id === id)?.shown);
  });
}

/** Another instance of the gateway, with an origin in place of the stage's application. */
async function inFrontOf(
  stage: Stage,
  origin: Origin,
  open: GatewaySuite['open'],
): Promise<Gateway & { close(): Promise<void> }> {
  const dir = await mkdtemp(join(stage.dir, 'gateway-'));
  const opened = await open({ ...stage, dir, upstream: { ...stage.upstream, address: origin.address } });
  return { ...opened, origin: origin.name };
}

/** A gateway that listens on a port, in front of the stage's application. */
export function listeningGateway(stage: Stage, port: number): Gateway {
  return {
    send: async (request) => {
      stage.upstream.take();
      const answer = await send(port, request);
      return { ...answer, arrivals: stage.upstream.take() };
    },
  };
}

/** The engine asked as a gateway asks it, for gateways that are not at hand. */
export function shapedGateway(stage: Stage, hookCall: (request: ClientRequest) => HookCall): Gateway {
  return {
    send: async (request) => {
      const { method, target, headers } = hookCall(request);
      const answer = await send(stage.enginePort, {
        method,
        target,
        headers,
        body: '',
        // The gateway's own address, which the engine trusts.
        from: '127.0.0.1',
        websocket: false,
      });
      return { ...answer, arrivals: [] };
    },
  };
}

/** What a gateway sends to the engine. */
export interface HookCall {
  readonly method: string;
  readonly target: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
}

/** The lines that a client sent under the names that a gateway is told to pass on. */
export function listedHeaders(request: ClientRequest, names: readonly string[]): (readonly [string, string])[] {
  return sentHeaders(request).filter(([name]) => names.includes(name.toLowerCase()));
}
