import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Requirement } from '../../../src/model/decision.ts';
import type { ProofTerms } from '../../../src/model/proof.ts';
import { readProof } from '../../../src/step-up/claims.ts';
import type { IssuerSettings } from '../../../src/step-up/issuer.ts';
import { stepUpIssuers } from '../../../src/step-up/issuers.ts';
import { ANY_STEP_UP, demandOf, judgeProof } from '../../../src/step-up/requirement.ts';
import { AUDIENCE, goodClaims, ISSUER, NOW, NOW_MS } from '../../support/step-up/tokens.ts';

const CLASSES = ['1', '2', '3'];

function requirement(changes: Partial<Requirement> = {}): Requirement {
  return { acrValues: [], amrValues: [], maxAgeSeconds: 300, singleUse: false, unsatisfiable: false, ...changes };
}

function terms(changes: Partial<ProofTerms> = {}): ProofTerms {
  return { acrValues: ['2'], acrOrder: CLASSES, maxAgeSeconds: 600, ...changes };
}

describe('what a client is told to ask for', () => {
  test.each<[string, readonly string[], Partial<ProofTerms>, readonly string[]]>([
    ['the issuer’s classes where the rule names none', [], {}, ['2']],
    ['the issuer’s classes ahead of the one that stands for any step-up', [ANY_STEP_UP], {}, ['2', ANY_STEP_UP]],
    ['the rule’s class where it is at least the issuer’s', ['3'], {}, ['3']],
    ['those of the rule that are enough', ['1', '2', '3'], {}, ['2', '3']],
    ['the issuer’s class where the rule’s is lower', ['1'], {}, ['2']],
    ['what both name, where nothing is ranked', ['a', 'b'], { acrValues: ['b', 'c'], acrOrder: null }, ['b']],
    ['the rule’s own where no class meets both', ['a'], { acrValues: ['b'], acrOrder: null }, ['a']],
    ['the rule’s own where the issuer shows a step-up otherwise', ['3'], { acrValues: null, acrOrder: null }, ['3']],
    ['nothing where neither names a class', [], { acrValues: null, acrOrder: null }, []],
  ])('What a client is told to ask for is %s', (_what, acrValues, changes, expected) => {
    expect(demandOf(requirement({ acrValues }), [terms(changes)]).acrValues).toEqual(expected);
  });

  test('What a client is told to ask for is never older than the issuer permits, nor younger than the rule asks', () => {
    const ageFor = (maxAgeSeconds: number) => demandOf(requirement({ maxAgeSeconds }), [terms()]).maxAgeSeconds;
    expect([ageFor(300), ageFor(3600)]).toEqual([300, 600]);
  });

  test('What a client is told to ask for names the classes of every issuer while it is not known which one it will be', () => {
    const both = [terms(), terms({ acrValues: ['gold'], acrOrder: null, maxAgeSeconds: 60 }), terms()];
    expect(demandOf(requirement({ maxAgeSeconds: 3600 }), both)).toMatchObject({
      acrValues: ['2', 'gold'],
      maxAgeSeconds: 600,
    });
  });

  test('What a client is told to ask for is the requirement itself where no issuer is configured', () => {
    const asked = requirement({ acrValues: ['x'] });
    expect(demandOf(asked, [])).toBe(asked);
  });

  test('What a client is told to ask for is a log-in of now where the proof has to be single-use', () => {
    const asked = requirement({ acrValues: ['x'], singleUse: true });
    expect(demandOf(asked, [])).toEqual({ ...asked, maxAgeSeconds: 0 });
    expect(demandOf(asked, [terms()])).toMatchObject({ maxAgeSeconds: 0, singleUse: true });
  });
});

function issuer(acrValues: readonly string[], maxAge: number): IssuerSettings {
  const [settings] = stepUpIssuers.parse([
    {
      issuer: ISSUER,
      audience: AUDIENCE,
      algorithms: ['ES256'],
      jwks_uri: `${ISSUER}/keys`,
      step_up: { acr_values: acrValues },
      acr_order: CLASSES,
      max_age: maxAge,
    },
  ]);
  if (settings === undefined) throw new Error('one entry gives one issuer');
  return settings;
}

test('A provider that does what the challenge says always brings a proof that is taken', () => {
  const classes = fc.uniqueArray(fc.constantFrom(...CLASSES), { maxLength: 3 });
  fc.assert(
    fc.property(
      classes.filter((values) => values.length > 0),
      fc.oneof(classes, fc.constant([ANY_STEP_UP])),
      fc.integer({ min: 1, max: 2000 }),
      fc.integer({ min: 1, max: 2000 }),
      (own, asked, issuerAge, ruleAge) => {
        const settings = issuer(own, issuerAge);
        const rule = requirement({ acrValues: asked, maxAgeSeconds: ruleAge });
        const demand = demandOf(rule, [{ acrValues: own, acrOrder: CLASSES, maxAgeSeconds: issuerAge }]);
        for (const acr of demand.acrValues.filter((value) => value !== ANY_STEP_UP)) {
          const authTime = NOW - demand.maxAgeSeconds;
          const claims = goodClaims({ acr, auth_time: authTime, iat: authTime, exp: NOW + 60 });
          const proof = readProof(claims, settings, NOW, 'id');
          const presentation = {
            subject: 'u1',
            subjectSpace: 'default',
            subjectType: 'user',
            session: null,
            nowMs: NOW_MS,
          };
          expect(judgeProof(proof, rule, presentation)).toEqual({ satisfied: true });
        }
        expect(demand.acrValues).not.toEqual([]);
      },
    ),
  );
});
