import type { MixReport, Report, ThiefReport } from './report.ts';

/**
 * A chart of a report as SVG, readable on light and on dark pages: log-ins asked by how often people come, and thieves let in
 * by class.
 */
export function chartOf({ seeds, mixes }: Report): string {
  const asked = askedPanel(mixes);
  const thieves = thievesPanel(mixes.map(({ thieves: classes }) => classes));
  const height = asked.height + thieves.height + 24;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="title desc" font-family="system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif" font-size="13">
<title id="title">Honest log-ins asked and thieves let in (seeds ${escaped(seeds.join(', '))})</title>
<desc id="desc">${escaped(describe(mixes))}</desc>
<style>
.text { fill: #334155 } .strong { fill: #0f172a; font-weight: 600 } .axis { stroke: #94a3b8; stroke-width: 1 }
.c0 { fill: #0f766e } .c1 { fill: #b45309 } .track { fill: #e2e8f0 }
@media (prefers-color-scheme: dark) {
  .text { fill: #cbd5e1 } .strong { fill: #f1f5f9 } .axis { stroke: #64748b }
  .c0 { fill: #2dd4bf } .c1 { fill: #fbbf24 } .track { fill: #334155 }
}
</style>
${asked.body}
<g transform="translate(0 ${asked.height + 24})">
${thieves.body}
</g>
</svg>
`;
}

const WIDTH = 860;

interface Panel {
  readonly height: number;
  readonly body: string;
}

/** Columns: how often people come, and all of them. */
function askedPanel(mixes: readonly MixReport[]): Panel {
  const [top, left, plot] = [56, 48, 170];
  const groups = (mixes[0]?.frequencies ?? []).map(({ meaning }) => meaning).concat('all');
  const sharesOf = ({ frequencies, all }: MixReport): number[] => [
    ...frequencies.map(({ asked }) => asked.later),
    all.asked.later,
  ];
  const most = Math.max(0.1, ...mixes.flatMap(sharesOf));
  const scale = Math.ceil(most * 10) / 10;
  const y = (share: number): number => top + plot * (1 - share / scale);
  const step = (WIDTH - left - 10) / groups.length;
  const bar = Math.min(44, (step - 24) / Math.max(1, mixes.length));
  const lines = Array.from({ length: Math.round(scale * 10) + 1 }, (_, index) => index / 10)
    .filter((share) => Math.round(share * 10) % (scale > 0.5 ? 2 : 1) === 0)
    .map(
      (share) =>
        `<line class="axis" x1="${left}" x2="${WIDTH - 10}" y1="${y(share)}" y2="${y(share)}" opacity="${share === 0 ? 1 : 0.35}"/>` +
        text(left - 8, y(share) + 4, `${Math.round(share * 100)} %`, 'text', 'end'),
    );
  const bars = mixes.flatMap((mix, which) =>
    sharesOf(mix).map((share, index) => {
      const x = left + step * index + (step - bar * mixes.length) / 2 + bar * which;
      return (
        `<rect class="c${which}" x="${round(x)}" y="${round(y(share))}" width="${round(bar - 3)}" height="${round(top + plot - y(share))}"/>` +
        text(x + (bar - 3) / 2, y(share) - 4, (100 * share).toFixed(1), 'text', 'middle')
      );
    }),
  );
  const names = groups.map((name, index) => text(left + step * (index + 0.5), top + plot + 18, name, 'text', 'middle'));
  const title = text(10, 20, 'Honest log-ins asked, after ten log-ins, by how often people come', 'strong');
  return { height: top + plot + 28, body: [title, ...legend(mixes, 40), ...lines, ...bars, ...names].join('\n') };
}

/**
 * Rows: classes of thieves, with the share let in at the best of five tries, and paler the share that was asked for a step-up it
 * could answer.
 */
function thievesPanel(mixes: readonly (readonly ThiefReport[])[]): Panel {
  const [top, left, row] = [34, 268, 20];
  const classes = (mixes[0] ?? []).map(({ class: thief }) => thief);
  const width = WIDTH - left - 90;
  const rows = classes.map((thief, index) => {
    const y = top + row * index;
    const half = (row - 6) / Math.max(1, mixes.length);
    const found = mixes.map((some) => some.find((one) => one.class === thief));
    const bar = (share: number, which: number, opacity: number): string =>
      share === 0
        ? ''
        : `<rect class="c${which}" x="${left}" y="${round(y + 3 + half * which)}" width="${round(width * share)}" height="${round(half)}" opacity="${opacity}"/>`;
    return [
      text(left - 8, y + 13, thief.replaceAll('_', ' '), 'text', 'end'),
      `<rect class="track" x="${left}" y="${y + 3}" width="${width}" height="${row - 6}"/>`,
      ...found.map((one, which) => bar(shareOf(one, 'answered'), which, 0.4)),
      ...found.map((one, which) => bar(shareOf(one, 'best'), which, 1)),
      text(WIDTH - 82, y + 13, found.map((one) => (100 * shareOf(one, 'best')).toFixed(0)).join(' / '), 'text'),
    ].join('');
  });
  const title = text(
    10,
    18,
    'Thieves let in without a step-up, at the best of five tries, in % (paler: asked, and can answer)',
    'strong',
  );
  return { height: top + row * classes.length + 8, body: [title, ...rows].join('\n') };
}

function shareOf(thief: ThiefReport | undefined, what: 'best' | 'answered'): number {
  return thief === undefined || thief.thieves === 0 ? 0 : thief[what] / thief.thieves;
}

function legend(mixes: readonly MixReport[], y: number): string[] {
  return mixes.map(
    ({ meaning }, which) =>
      `<rect class="c${which}" x="${10 + 400 * which}" y="${y - 10}" width="11" height="11"/>` +
      text(27 + 400 * which, y, meaning, 'text'),
  );
}

function describe(mixes: readonly MixReport[]): string {
  return mixes
    .map(
      ({ mix, all }) => `${mix}: ${(100 * all.asked.later).toFixed(1)} % of honest log-ins after the tenth are asked.`,
    )
    .join(' ');
}

function text(x: number, y: number, content: string, style: string, anchor = 'start'): string {
  return `<text class="${style}" x="${round(x)}" y="${round(y)}" text-anchor="${anchor}">${escaped(content)}</text>`;
}

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
