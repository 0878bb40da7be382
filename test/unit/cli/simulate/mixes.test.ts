import { describe, expect, it } from 'vitest';
import { chanceOf } from '../../../../src/cli/simulate/chance.ts';
import { MIX_NAMES, MIXES } from '../../../../src/cli/simulate/mixes.ts';
import { drawn } from '../../../../src/cli/simulate/run.ts';

const sum = (shares: object): number => Object.values(shares).reduce((total, share) => total + share, 0);

describe.each(MIX_NAMES)('the mix %s', (mix) => {
  it('The shares of a mix sum to 1', () => {
    expect(sum(MIXES[mix].frequencies)).toBeCloseTo(1, 9);
    expect(sum(MIXES[mix].kinds)).toBeCloseTo(1, 9);
  });

  it('A mix has some people of every kind', () => {
    expect(Object.values(MIXES[mix].kinds).filter((share) => share <= 0)).toEqual([]);
  });
});

it('A draw takes each name as often as its share says', () => {
  const chance = chanceOf('draws');
  const counts = { rare: 0, usual: 0, never: 0 };
  for (let draw = 0; draw < 10_000; draw++) counts[drawn({ rare: 0.1, usual: 0.9, never: 0 }, chance)]++;
  expect(counts.rare).toBeGreaterThan(900);
  expect(counts.rare).toBeLessThan(1100);
  expect(counts.never).toBe(0);
});

it('People of single sign-on come more rarely than those of a bank', () => {
  const { bank, sso } = MIXES;
  expect(sso.frequencies.six_weekly).toBeGreaterThan(bank.frequencies.six_weekly);
  expect(sso.frequencies.daily).toBeLessThan(bank.frequencies.daily);
});
