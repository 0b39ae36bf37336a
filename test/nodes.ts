/**
 * Runs what must not depend on the runtime under other versions of Node than this one: the URL and domain rules, and a fixed data set
 * through import, batch run, query and verification. `npm run test:nodes [-- <version> ...]`; the binaries come from npm's
 * `node-<platform>-<arch>` packages, into a temporary directory.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assetPath } from '../lib/files/assets.js';

/** The oldest that is supported, which has an older Unicode than the others, and the later lines. */
const defaultVersions = ['20.19.0', '22', '24'];
/** Words in the paths of test files. */
const wanted = ['cli/test/fixed-data', 'lib/test/url-', 'lib/test/domain'];

/** Throws when the command fails. */
function run(command: string, args: readonly string[], cwd: string): void {
  const { error, status, signal } = spawnSync(command, args, { cwd, stdio: 'inherit' });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status ?? signal}`);
}

const given = process.argv.slice(2);
for (const version of given.length === 0 ? defaultVersions : given) {
  const dir = mkdtempSync(join(tmpdir(), 'swa-node-'));
  try {
    process.stdout.write(`\nNode ${version}\n`);
    writeFileSync(join(dir, 'package.json'), '{"private": true}');
    const name = `node-${process.platform}-${process.arch}`;
    run('npm', ['install', '--no-save', '--ignore-scripts', '--loglevel=error', `${name}@${version}`], dir);
    const binary = join(dir, 'node_modules', name, 'bin', 'node');
    run(binary, [assetPath('dist/test/run.js'), ...wanted], assetPath(''));
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
