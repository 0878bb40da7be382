import { type Baseline, revokeAllDevices, revokeDevice, revokeProofs, revokeSession } from '../model/baseline.ts';
import type { CheckRequest, SubjectEvent, SuccessEvent } from '../model/request.ts';
import type { Observation } from '../signals/signal.ts';
import type { Pseudonym } from '../store/store.ts';
import { matchDevice } from './device-match.ts';
import type { Engine } from './engine.ts';
import { type LearningGrant, learnGranted, type NamedDevice, nameDevice } from './learn.ts';
import { observe, outcomeOf } from './observe.ts';
import { tokenUse } from './token-use.ts';

/**
 * Takes in one outcome: a success teaches the baseline and may make the device trusted, a failure is counted against
 * subject and address, a revoked session or changed credential ends trust. Rejects with a `StoreError` when the store
 * would not take it: nothing is then half done that a repeated report would not mend.
 */
export async function recordEvent(engine: Engine, event: SubjectEvent): Promise<{ device: NamedDevice | null }> {
  const observation = await observe(engine, requestOf(event), engine.now());
  const { keys } = observation;
  if (keys.subject === null) return { device: null };
  switch (event.type) {
    case 'login.succeeded':
    case 'step_up.succeeded':
      return { device: await learnSuccess(engine, event.type, event, observation, keys.subject) };
    case 'login.failed':
    case 'step_up.failed':
      await engine.store.recordOutcome(outcomeOf(observation, 'failure'));
      return { device: null };
    case 'session.revoked':
      await engine.store.updateBaseline(keys.subject, (before) => endSession(before, observation));
      return { device: null };
    case 'credential.changed':
      await engine.store.updateBaseline(keys.subject, (before) =>
        revokeAllDevices(before, Math.floor(observation.nowMs / 1000)),
      );
      return { device: null };
  }
}

async function learnSuccess(
  engine: Engine,
  type: SuccessEvent,
  event: SubjectEvent,
  observation: Observation,
  subject: Pseudonym,
): Promise<NamedDevice | null> {
  const rules = engine.rules();
  const { trust } = rules.policyFor(rules.actionOf(type));
  // What an outdated list says of the address is unknown, so it teaches nothing.
  const sighting = observation.standing?.stale?.holds !== true;
  const grant: LearningGrant = {
    sighting,
    trust: event.trustDevice ? trust : null,
    renewDays: trust.idleDays,
    visit: 'reported',
    earnedBy: null,
  };
  const stored = await engine.store.readSubject(subject, event.occurredAtMs);
  const baseline = stored?.baseline ?? null;
  // A report may be later than what it reports, and its token with it: no generation is judged.
  const use = tokenUse(observation, baseline?.value ?? null);
  const recognised = { observation, baseline, device: matchDevice(observation, baseline?.value ?? null), use };
  const device = await nameDevice(engine, recognised, grant);
  await learnGranted(engine, recognised, device, grant);
  return device;
}

/**
 * A session that the baseline does not know may have been on any device, so all of them lose their trust. Proofs are
 * revoked with any session: its id here need not be the one in the provider's tokens.
 */
function endSession(before: Baseline | null, observation: Observation): Baseline {
  const { keys, nowMs } = observation;
  const at = Math.floor(nowMs / 1000);
  if (before === null) return revokeAllDevices(before, at);
  const named = devicesNamed(before, observation);
  const known = before.sessions.some(({ key }) => key === keys.session);
  if (!known && named.length === 0) return revokeAllDevices(before, at);
  const forgotten = keys.session === null ? before : revokeSession(before, keys.session, at);
  return revokeProofs(
    named.reduce((rest, id) => revokeDevice(rest, id, at), forgotten),
    at,
  );
}

/** A fingerprint matches every record of its machine, such as a browser that lost its token and the one that has it. */
function devicesNamed(before: Baseline, observation: Observation): readonly string[] {
  const { fingerprint } = observation.keys;
  const { id, proven } = matchDevice(observation, before);
  const same =
    proven || fingerprint === null ? [] : before.devices.filter((known) => known.fingerprint === fingerprint);
  if (same.length > 0) return same.map((known) => known.id);
  return id === null ? [] : [id];
}

function requestOf({ type, trustDevice: _trustDevice, ...observed }: SubjectEvent): CheckRequest {
  return {
    ...observed,
    action: type,
    credential: null,
    actor: null,
    proof: null,
    resource: { type: null, id: null, properties: {} },
    subjectProperties: {},
    context: {},
    dryRun: false,
  };
}
