import { describe, expect, test } from 'vitest';
import { pinoLines } from '../../../src/records/pino.ts';
import { redact } from '../../../src/records/redact.ts';
import { noRecords, toAll } from '../../../src/records/sinks.ts';
import { recordOf } from '../../support/record-of.ts';

const BODY = {
  subject: 'Secret.Person@example.com',
  action: 'payment.transfer',
  ip: '81.2.69.160',
  session: 'session-secret',
  user_agent: 'Mozilla/5.0 (secret agent)',
  device: { fingerprint: 'fingerprint-secret', token: 'device-token-secret', components: { canvas: 'canvas-secret' } },
  geo: { lat: 52.2053, lon: 0.1218, country: 'GB', city: 'Newmarket' },
  step_up_token: 'step-up-secret',
  resource: { type: 'account', id: 'account-secret', properties: { iban: 'iban-secret' } },
  subject_properties: { role: 'role-secret' },
  context: { amount: 1234.5, memo: 'memo-secret' },
};

/** Rules whose reasons show the very values that must not be kept. */
const INDISCREET = {
  version: 1,
  rules: [
    {
      id: 'nosy',
      when: {
        'subject.id': { known: true },
        'context.memo': { known: true },
        'subject.properties.role': 'role-secret',
        'resource.id': 'account-secret',
        'resource.properties.iban': { starts_with: 'iban' },
        'ip.address': '81.2.69.160',
      },
      then: { points: 40, reason: 'nosy' },
    },
  ],
};

describe('a decision record', () => {
  test('A decision record says what was decided, by which rule of which revision, for whom by pseudonym', async () => {
    const { record, answer, engine } = await recordOf(BODY, { issuers: [] });
    expect(record).toMatchObject({
      type: 'decision',
      version: 1,
      id: answer.id,
      request_id: 'req-1',
      caller: 'tester',
      action: 'payment.transfer',
      decision: 'step-up',
      score: answer.score,
      level: answer.level,
      rule: { id: 'large-transfer', file: 'test.json' },
      step_up: { satisfied: false, error: 'no_issuer' },
      degraded: [],
      dry_run: { request: false },
      rules_revision: answer.rules_revision,
      latency_ms: answer.latency_ms,
      occurred_at: '2026-11-25T02:00:00.000Z',
    });
    expect(record.subject).toBe(engine.pseudonym('subject', 'secret.person@example.com'));
    expect(record.address).toBe(engine.pseudonym('address', '81.2.69.160'));
    expect(record.facts['geo.country']).toBe('GB');
    expect(record.signals.geo).toEqual({ state: 'measured' });
  });

  test('A decision record holds no subject, address, token, fingerprint or context value, even where a rule compared them', async () => {
    const { record, answer } = await recordOf(BODY, { rules: INDISCREET });
    expect(answer.reasons[0].code).toBe('nosy');
    const text = JSON.stringify(record).toLowerCase();
    for (const secret of ['secret', '81.2.69', 'person@', '1234.5']) expect(text).not.toContain(secret);
  });

  test('A decision record names what was left out', async () => {
    const { record } = await recordOf(BODY);
    expect(record.erased).toEqual(
      expect.arrayContaining([
        'context.amount',
        'context.memo',
        'device.components',
        'device.fingerprint',
        'device.token',
        'ip',
        'resource.id',
        'resource.properties.iban',
        'session',
        'step_up_token',
        'subject',
        'subject.properties.role',
        'user_agent',
      ]),
    );
    expect(record.erased).toEqual([...record.erased].sort());
  });

  test('A decision record of an anonymous dry run says so', async () => {
    const { record } = await recordOf({ action: 'login', dry_run: true });
    expect(record).toMatchObject({ subject: null, address: null, dry_run: { request: true } });
  });
});

describe('redact', () => {
  test('The redaction keeps measured facts and erases free ones and ids', () => {
    const erased: string[] = ['subject.id'];
    const facts = { 'travel.speed_kmh': 900, 'subject.id': 'u', 'context.x': 1, 'ip.address': '1.2.3.4' };
    expect(JSON.stringify(redact(facts, erased))).toBe('{"travel.speed_kmh":900}');
    expect(erased).toEqual(['subject.id', 'context.x', 'ip.address']);
    expect(facts['subject.id']).toBe('u');
  });
});

describe('sinks', () => {
  test('Record sinks that fail do not keep the others from theirs', async () => {
    const { record } = await recordOf({ action: 'login' });
    const taken: string[] = [];
    const broken = () => {
      throw new Error('full');
    };
    const all = toAll([noRecords, broken, ({ id }) => taken.push(id)]);
    expect(() => all(record)).toThrow(AggregateError);
    expect(taken).toEqual([record.id]);
  });

  test.each([
    ['debug', true],
    ['info', true],
    ['warn', false],
    ['error', false],
    ['silent', false],
  ] as const)('At LOG_LEVEL %s records are written: %s', async (level, written) => {
    const { record } = await recordOf({ action: 'login' });
    const lines: string[] = [];
    pinoLines(level, { write: (line) => lines.push(line) }).records(record);
    expect(lines).toHaveLength(written ? 1 : 0);
    for (const line of lines)
      expect(JSON.parse(line)).toEqual({
        level: 30,
        time: expect.stringMatching(/Z$/),
        ...JSON.parse(JSON.stringify(record)),
      });
  });
});
