import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { type Program, spawnProgram } from '../servers/program.ts';

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, '../../..');

/** What an image says about how it is to be run. */
const imageConfig = z.object({
  User: z.string(),
  Env: z.array(z.string()),
  Cmd: z.array(z.string()),
  Entrypoint: z.array(z.string()),
  WorkingDir: z.string(),
  Healthcheck: z.object({ Test: z.array(z.string()) }),
});
export type ImageConfig = z.infer<typeof imageConfig>;

/** The image of the Dockerfile, unpacked. */
export interface Image {
  readonly config: ImageConfig;
  /** Where its file system lies on this machine. */
  readonly root: string;
  /**
   * Runs a program in the image as its user, in its folder, with its environment and more: the file system read-only, no
   * capability, none to be gained. Network and processes are those of this machine.
   */
  run(command: readonly string[], more?: { readonly [name: string]: string }): Program;
  remove(): Promise<void>;
}

/**
 * Builds the Dockerfile with buildah. The two images it starts from come from registries that a test must not need: stand-ins
 * take their place, with the programs of this machine at the paths where the real ones have them.
 */
export async function buildImage(): Promise<Image> {
  const folder = await mkdtemp(join(tmpdir(), 'stepgate-image-'));
  const storage = ['--root', join(folder, 'storage'), '--runroot', join(folder, 'run')];
  const buildah = async (...args: readonly string[]): Promise<string> =>
    (await run('buildah', [...storage, ...args], { cwd: ROOT, maxBuffer: 16 * 1024 * 1024 })).stdout.trim();
  const build = ['build', '--isolation', 'chroot', '--format', 'docker'];
  await buildah(...build, '--tag', 'builder', await builderStandIn(join(folder, 'builder')));
  await buildah(...build, '--tag', 'runtime', await runtimeStandIn(join(folder, 'runtime')));
  const bases = ['--build-arg', 'BUILDER=localhost/builder', '--build-arg', 'RUNTIME=localhost/runtime'];
  // Packages that this machine has had before are not fetched again.
  const { stdout: cache } = await run('npm', ['config', 'get', 'cache'], { cwd: ROOT });
  await buildah(...build, ...bases, '--volume', `${cache.trim()}:/root/.npm`, '--tag', 'stepgate', '.');
  const inspected: unknown = JSON.parse(await buildah('inspect', '--type', 'image', 'localhost/stepgate'));
  const config = z.object({ Docker: z.object({ config: imageConfig }) }).parse(inspected).Docker.config;
  const container = await buildah('from', 'localhost/stepgate');
  const root = await buildah('mount', container);
  await Promise.all(['dev', 'proc'].map((name) => mkdir(join(root, name), { recursive: true })));
  return {
    config,
    root,
    run: (command, more = {}) => contained(root, config, command, more),
    async remove() {
      await buildah('umount', container);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function contained(
  root: string,
  { User, Env, WorkingDir }: ImageConfig,
  command: readonly string[],
  more: { readonly [name: string]: string },
): Program {
  const [user = '', group = ''] = User.split(':');
  const mounts =
    'mount --bind "$0" "$0" && mount --bind /dev "$0/dev" && mount -t proc proc "$0/proc" && mount -o remount,bind,ro "$0"';
  const inside = `/usr/bin/unshare --root="$0" --wd="$1" --setgid="$2" --setuid="$3"`;
  const script = `${mounts} && exec /usr/bin/setpriv --no-new-privs --clear-groups ${inside} -- "\${@:4}"`;
  const args = ['--mount', 'bash', '-c', script, root, WorkingDir, group, user, ...command];
  return spawnProgram('unshare', args, { env: { ...environmentOf(Env), ...more } });
}

function environmentOf(lines: readonly string[]): { [name: string]: string } {
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
}

/** In place of `node:24-slim`: a shell, `mkdir`, Node and npm. */
async function builderStandIn(folder: string): Promise<string> {
  const npm = await npmFolder();
  await copyPrograms(folder, ['/bin/sh', '/bin/mkdir', '/usr/bin/env']);
  await copyPrograms(folder, [process.execPath], '/usr/bin/node');
  await copyFiles(folder, ['/etc/resolv.conf', '/etc/hosts', '/etc/nsswitch.conf', CERTIFICATES]);
  await copyFiles(folder, await nameService());
  await cp(npm, join(folder, 'usr/lib/node_modules/npm'), { recursive: true });
  await symlink('../lib/node_modules/npm/bin/npm-cli.js', join(folder, 'usr/bin/npm'));
  await mkdir(join(folder, 'tmp'));
  await writeFile(join(folder, 'etc/passwd'), 'root:x:0:0::/root:/bin/sh\n');
  const env = `ENV PATH=/usr/bin:/bin HOME=/root NODE_EXTRA_CA_CERTS=${CERTIFICATES}`;
  await writeFile(join(folder, 'Dockerfile'), `FROM scratch\nCOPY . /\n${env}\n`);
  return folder;
}

/** In place of `distroless/nodejs24`: Node and its libraries, no shell. */
async function runtimeStandIn(folder: string): Promise<string> {
  await copyPrograms(folder, [process.execPath], '/nodejs/bin/node');
  await copyFiles(folder, [CERTIFICATES]);
  await writeFile(join(folder, 'etc/passwd'), 'nonroot:x:65532:65532::/home/nonroot:/sbin/nologin\n');
  await writeFile(join(folder, 'Dockerfile'), 'FROM scratch\nCOPY . /\nENTRYPOINT ["/nodejs/bin/node"]\n');
  return folder;
}

const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt';

async function npmFolder(): Promise<string> {
  const { stdout } = await run('sh', ['-c', 'command -v npm']);
  // …/npm/bin/npm-cli.js
  return dirname(dirname(await realpath(stdout.trim())));
}

/** Libraries that the C library loads by itself to look up a name. */
async function nameService(): Promise<string[]> {
  const { stdout } = await run('sh', ['-c', 'ldconfig -p | grep -oE "/[^ ]*/lib(nss_dns|nss_files|resolv)[.]so[.]2"'], {
    env: { PATH: '/usr/sbin:/sbin:/usr/bin:/bin' },
  });
  return [...new Set(stdout.trim().split('\n'))];
}

async function copyPrograms(folder: string, programs: readonly string[], to?: string): Promise<void> {
  for (const program of programs) {
    const { stdout } = await run('ldd', [program]);
    await copyFiles(
      folder,
      [...stdout.matchAll(/(\/\S+)/g)].map(([path]) => path),
    );
    await copyFile(program, join(folder, to ?? program));
  }
}

async function copyFiles(folder: string, paths: readonly string[]): Promise<void> {
  for (const path of paths) await copyFile(path, join(folder, path));
}

async function copyFile(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  await cp(await realpath(from), to);
}
