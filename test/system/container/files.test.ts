import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '../../..');
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

describe('Dockerfile', () => {
  const lines = read('Dockerfile')
    .replace(/\\\n\s*/g, '')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  const last = lines.slice(lines.findLastIndex((line) => line.startsWith('FROM')));

  test('Dockerfile ends in an image without a shell that runs Node 24 as nobody', () => {
    expect(lines.find((line) => line.startsWith('ARG RUNTIME='))).toMatch(/distroless\/nodejs24-debian\d+:nonroot$/);
    expect(last).toContain('USER 65532:65532');
    // A command in shell form would need the shell that is not there.
    for (const line of last.filter((one) => /^(CMD|ENTRYPOINT)/.test(one))) expect(line).toMatch(/ \[".*"\]$/);
    expect(last.find((line) => line.startsWith('HEALTHCHECK'))).toMatch(/ CMD \[".*"\]$/);
    expect(last.filter((line) => line.startsWith('RUN'))).toEqual([]);
  });

  test('Dockerfile installs what the lockfile says, without scripts, and ships production packages only', () => {
    const installs = lines.filter((line) => line.startsWith('RUN npm'));
    for (const line of installs) expect(line).toMatch(/^RUN npm ci .*--ignore-scripts/);
    expect(installs.at(-1)).toContain('--omit=dev');
  });

  test('Dockerfile takes nothing along that it does not name', () => {
    expect(lines.filter((line) => /^(COPY|ADD) (\.|\*)/.test(line))).toEqual([]);
    const ignored = read('.dockerignore')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'));
    expect(ignored[0]).toBe('*');
    const allowed = ignored.slice(1).map((line) => line.slice(1));
    const copied = lines
      .filter((line) => line.startsWith('COPY') && !line.includes('--from'))
      .flatMap((line) => line.split(' ').slice(1, -1));
    expect([...new Set(copied)].sort()).toEqual(allowed.sort());
  });

  test('Dockerfile names no secret', () => {
    expect(lines.filter((line) => /^(ENV|ARG) .*(KEY|SECRET|PASSWORD|TOKEN)/.test(line))).toEqual([]);
  });
});

describe('compose.yaml', () => {
  const text = read('compose.yaml').replace(/^\s*#.*$/gm, '');
  const services = new Map(
    [
      ...text
        .slice(text.indexOf('services:'), text.indexOf('\nnetworks:'))
        .matchAll(/^ {2}(\w+):\n((?: {4}.*\n|\s*\n)+)/gm),
    ].map(([, name = '', body = '']) => [name, body]),
  );

  test('Every service is read-only, without capabilities, and cannot gain any', () => {
    expect([...services.keys()]).toEqual(['stepgate', 'lists', 'redis']);
    for (const [name, body] of services) {
      expect(body, name).toContain('read_only: true');
      expect(body, name).toContain('cap_drop: [ALL]');
      expect(body, name).toContain('security_opt: ["no-new-privileges:true"]');
      expect(body, name).not.toMatch(/privileged|network_mode|docker\.sock|cap_add/);
    }
  });

  test('Redis has a password, keeps its data, evicts nothing, and is reached by the service alone', () => {
    const redis = services.get('redis') ?? '';
    expect(redis).toContain('--requirepass');
    expect(redis).toContain('--maxmemory-policy noeviction');
    expect(redis).toContain('redis:/data');
    expect(redis).toMatch(/healthcheck:/);
    expect(redis).toContain('networks: [back]');
    expect(redis).not.toContain('ports:');
    expect(text).toMatch(/back: \{ internal: true \}/);
  });

  test('The port is published to this machine only, and no secret is written down or has a default', () => {
    const ports = [...text.matchAll(/ports: \[(.*)\]/g)].map(([, port]) => port);
    expect(ports).toEqual(['"127.0.0.1:8787:8787"']);
    for (const name of ['API_KEYS', 'DEVICE_TOKEN_SECRET', 'PRIVACY_KEY', 'REDIS_PASSWORD']) {
      const uses = [...text.matchAll(new RegExp(`\\$\\{${name}([^}]*)\\}`, 'g'))].map(([, rest = '']) => rest);
      expect(uses.length, name).toBeGreaterThan(0);
      for (const rest of uses) expect(rest, name).toMatch(/^:\?/);
    }
  });
});

test('Every test that the threat model names is there', () => {
  const named = [...read('docs/threat-model.md').matchAll(/`(test\/[\w./-]+\.ts)`/g)].map(([, path = '']) => path);
  expect(named.length).toBeGreaterThan(20);
  expect(named.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
});
