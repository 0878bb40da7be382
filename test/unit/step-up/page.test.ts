import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { IssuerSettings } from '../../../src/step-up/issuer.ts';
import { stepUpIssuersText } from '../../../src/step-up/issuers.ts';

const ROOT = resolve(import.meta.dirname, '../../..');
const PAGE = readFileSync(join(ROOT, 'docs/step-up.md'), 'utf8');

const examples = [...PAGE.matchAll(/^```json\n(.*?)^```$/gms)].map(([, text = '']) => text);

function between(name: string): string[] {
  const [, part = ''] = new RegExp(`<!-- ${name}:start -->\n(.*)<!-- ${name}:end -->`, 's').exec(PAGE) ?? [];
  return part.trimEnd().split('\n');
}

describe('docs/step-up.md', () => {
  test('docs/step-up.md has one entry for each preset, and one without, all of which are taken as they stand', () => {
    const presets = examples.map((text) => stepUpIssuersText.parse(text).map(({ preset }) => preset));
    expect(presets).toEqual([['descope'], ['auth0'], ['keycloak'], ['okta'], ['entra'], ['oidc'], [null]]);
  });

  test('docs/step-up.md says of each preset what it fills in', () => {
    const settings = examples.flatMap((text) => stepUpIssuersText.parse(text)).filter(({ preset }) => preset !== null);
    expect(between('presets').slice(2)).toEqual(settings.map(presetRow));
  });

  test('docs/step-up.md explains every code by which a proof is refused, marks those that count as a failure, and no others', () => {
    const rows = between('codes').map((row) => /^- `([a-z_]+)`( †)?: .+$/.exec(row)?.slice(1, 3) ?? [row]);
    expect(rows.map(([code, mark]) => `${code}${mark === undefined ? '' : ' †'}`)).toEqual(codesOfTheSource());
  });

  test('docs/step-up.md links to what exists', () => {
    for (const [, target = ''] of PAGE.matchAll(/\]\((\.\.[^)]+)\)/g)) {
      expect(readdirSync(join(ROOT, 'docs', target, '..'))).toContain(target.split('/').at(-1));
    }
    const cases = readFileSync(join(ROOT, 'test/unit/step-up/descope.test.ts'), 'utf8');
    expect(cases).toContain("describe('deliberately stricter than the library of the provider'");
  });
});

function presetRow({ preset, issuer, keys, stepUp, subjectClaim, authTime }: IssuerSettings): string {
  const code = (text: string): string => `\`${text}\``;
  const named =
    issuer.kind === 'exact'
      ? code(issuer.value)
      : 'the project’s id, or an https address that has it as last part or last but one';
  const found = keys.kind === 'inline' ? 'in the entry' : code(keys.uri);
  const without = authTime === 'required' ? 'no proof' : '`iat` stands in';
  return `| ${[code(preset ?? ''), named, found, markText(stepUp), code(subjectClaim), without].join(' | ')} |`;
}

function markText(mark: IssuerSettings['stepUp']): string {
  switch (mark.kind) {
    case 'equals':
      return `\`${mark.claim}: ${mark.equals}\``;
    case 'includes':
      return `\`${mark.claim}\` holds \`${mark.includes}\``;
    default:
      return `\`${mark.kind}\`: ${mark.values.map((value) => `\`${value}\``).join(', ')}`;
  }
}

/** Every code that the verifier, the requirement and the spending can give, in order; † where it can be suspicious. */
function codesOfTheSource(): string[] {
  const found = new Map<string, boolean>();
  const add = (code: string, counts: boolean): unknown => found.set(code, counts || found.get(code) === true);
  for (const file of [
    'step-up/claims.ts',
    'step-up/present.ts',
    'step-up/apply-proof.ts',
    'step-up/jose.ts',
    'step-up/requirement.ts',
    'step-up/spend.ts',
    'engine/assess.ts',
    'engine/settle.ts',
  ]) {
    const source = readFileSync(join(ROOT, 'src', file), 'utf8');
    for (const [, name] of source.matchAll(/instant\(claims, '([a-z]+)'\)/g)) add(`${name}_invalid`, false);
    for (const call of calls(source)) {
      const [, code] = /^\(\s*'([a-z_]+)'/.exec(call) ?? [];
      if (code !== undefined) add(code, /,\s*(true|suspicious|subject !== null),?\s*\)$/.test(call));
    }
    for (const [, code = '', counts] of source.matchAll(/code: '([a-z_]+)',.*?suspicious: (true|false)/gs)) {
      add(code, counts === 'true');
    }
  }
  return [...found].map(([code, counts]) => (counts ? `${code} †` : code)).sort();
}

/** The argument lists of all `Refusal(…)`, `flawOf(…)` and `problem(…)`. */
function calls(source: string): string[] {
  return [...source.matchAll(/(?:new Refusal|flawOf|return problem|[?:] problem)(?=\()/g)].map(({ index, 0: name }) => {
    const from = index + name.length;
    let depth = 0;
    for (let at = from; at < source.length; at += 1) {
      if (source[at] === '(') depth += 1;
      if (source[at] === ')') depth -= 1;
      if (depth === 0) return source.slice(from, at + 1);
    }
    throw new Error(`no end of the call at ${from}`);
  });
}
