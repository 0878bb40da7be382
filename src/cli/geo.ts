import type { Command } from 'commander';
import { DataError } from '../data/data-error.ts';
import { type BuiltGeo, buildGeo, readBuiltGeo } from '../data/geo/build-geo.ts';
import { isFileError, orCliError } from './fault.ts';
import { GEO_DIR, JSON_FLAG } from './options.ts';
import { print, table } from './output.ts';

/** `geo build` and `geo status`. */
export function addGeo(program: Command): void {
  const geo = program.command('geo').description('geo data: build and inspect it');
  geo
    .command('build')
    .description('compile the data of geoip-lite, or a MaxMind-format file, into shards for Node and Workers')
    .option(
      '--source <path>',
      'a .mmdb file, or a directory with .dat files of geoip-lite (default: those it brings along)',
    )
    .option('--out <dir>', 'directory for the shards', GEO_DIR)
    .option('--country-only', 'leave out cities and coordinates: about 3 MB, no travel', false)
    .option(...JSON_FLAG)
    .action(build);
  geo
    .command('status')
    .description('source, age and size of the built data, after checking all of it')
    .option('--dir <dir>', 'directory of the shards', GEO_DIR)
    .option(...JSON_FLAG)
    .action(status);
}

interface BuildOptions {
  readonly source?: string;
  readonly out: string;
  readonly countryOnly: boolean;
  readonly json: boolean;
}

async function build({ source, out, countryOnly, json }: BuildOptions): Promise<void> {
  const startedMs = performance.now();
  const level = countryOnly ? 'country' : 'city';
  const built = await orCliError(() => buildGeo({ source: source ?? null, out, level }), isExpected);
  const tookMs = Math.round(performance.now() - startedMs);
  print(json, { ...reportOf(built), built: built.built, took_ms: tookMs }, () =>
    built.built
      ? `${describe(built)}\nbuilt in ${(tookMs / 1000).toFixed(1)} s into ${out}`
      : `${describe(built)}\nup to date in ${out}: the same source was built before`,
  );
}

async function status({ dir, json }: { readonly dir: string; readonly json: boolean }): Promise<void> {
  const built = await orCliError(() => readBuiltGeo(dir), isExpected);
  print(json, built === null ? { built: false } : { ...reportOf(built), built: true }, () =>
    built === null
      ? `nothing is built in ${dir}: the data of geoip-lite is used (stepgate geo build)`
      : describe(built),
  );
}

function reportOf({ manifest, files, bytes, largestBytes }: BuiltGeo) {
  const { level, source, counts } = manifest.about;
  return { source, level, counts, files, bytes, largest_bytes: largestBytes };
}

function describe({ manifest, files, bytes, largestBytes }: BuiltGeo): string {
  const { level, source, counts } = manifest.about;
  const count = (n: number): string => n.toLocaleString('en');
  return table([
    ['source', `${source.name}, data of ${source.data_at.slice(0, 10)}, sha256 ${source.sha256.slice(0, 16)}…`],
    ['level', level === 'city' ? 'cities with coordinates' : 'countries alone'],
    ['ranges', `${count(counts.v4)} of IPv4, ${count(counts.v6)} of IPv6, ${count(counts.places)} places`],
    [
      'files',
      `${count(files)}, ${(bytes / 1e6).toFixed(1)} MB, the largest ${count(Math.ceil(largestBytes / 1024))} KB`,
    ],
  ]);
}

function isExpected(error: Error): boolean {
  return error instanceof DataError || isFileError(error);
}
