/** The disk that is made from the log of calls: whole when nothing is lost, and only what was synced when all else is. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { below, seededRandom } from '../../topology/random.js';
import { CrashedDisk } from './crashed-disk.js';
import { Shim, shimSkip } from './shim.js';
import { tempDir } from '../temp-dir.js';

const workload = fileURLToPath(new URL('workload.js', import.meta.url));
const random = seededRandom(1);
const pick = (bound: number): number => below(random, bound);

/** Runs a process under the shim that works in the folder it is given; returns the folder and the disk. */
function ranOn(t: TestContext, args: (path: string) => string[]): { path: string; disk: CrashedDisk } {
  const base = tempDir('crashed');
  const path = join(base, 'data');
  mkdirSync(path, { mode: 0o700 });
  const shim = new Shim(t, path);
  const { status, stderr } = spawnSync(process.execPath, args(path), {
    env: { PATH: process.env['PATH'], ...shim.env({ log: 'with bytes' }) },
  });
  assert.equal(status, 0, stderr.toString());
  const disk = new CrashedDisk(path);
  disk.take(shim.events());
  return { path, disk };
}

/** Path to text of every file; but for LMDB's locks, which are mapped, not written. */
function filesIn(path: string): Record<string, string> {
  const names = readdirSync(path, { recursive: true, encoding: 'utf8' }).toSorted();
  const files = names.filter((name) => !name.endsWith('lock.mdb') && statSync(join(path, name)).isFile());
  return Object.fromEntries(files.map((name) => [name, readFileSync(join(path, name), 'latin1')]));
}

function stateOf(disk: CrashedDisk, fate: 'undone' | 'done'): Record<string, string> {
  const into = tempDir('state');
  disk.writeTo(into, pick, fate);
  return filesIn(into);
}

test('where nothing is lost, the disk is what the processes left', { skip: shimSkip }, (t) => {
  const { path, disk } = ranOn(t, (dir) => [
    workload,
    dir,
    '0',
    'log',
    'sink',
    'batch',
    'trim',
    'pointers',
    'jobs',
  ]);
  const [left, made] = [filesIn(path), stateOf(disk, 'done')];
  assert.ok(Object.keys(left).length > 20);
  assert.deepEqual(Object.keys(made), Object.keys(left));
  for (const [name, text] of Object.entries(left)) assert.ok(made[name] === text, `${name} differs`);
});

const script = `
  const fs = require('node:fs');
  process.chdir(process.argv[1]);
  const sync = (path) => { const fd = fs.openSync(path, 'r'); fs.fsyncSync(fd); fs.closeSync(fd); };
  for (const name of ['sure', 'nameless', 'moved', 'removed', 'old']) fs.writeFileSync(name, name);
  for (const name of ['sure', 'moved', 'removed', 'old']) sync(name);
  fs.mkdirSync('folder');
  fs.linkSync('sure', 'linked');
  fs.unlinkSync('nameless');
  sync('.');
  fs.writeFileSync('folder/child', 'child');
  sync('folder/child');
  fs.appendFileSync('sure', ' and not sure');
  fs.renameSync('moved', 'folder/moved');
  fs.unlinkSync('removed');
  fs.writeFileSync('new', 'new');
  sync('new');
  fs.renameSync('new', 'old');
`;

test('where all that was not synced is lost, only the rest is there', { skip: shimSkip }, (t) => {
  const { path, disk } = ranOn(t, (dir) => ['-e', script, dir]);
  assert.deepEqual(stateOf(disk, 'undone'), {
    linked: 'sure',
    moved: 'moved',
    old: 'old',
    removed: 'removed',
    sure: 'sure',
  });
  assert.deepEqual(stateOf(disk, 'done'), filesIn(path));
  disk.cut(pick, 'undone');
  assert.deepEqual(Object.keys(filesIn(path)), ['linked', 'moved', 'old', 'removed', 'sure']);
  assert.deepEqual([disk.unsure, stateOf(disk, 'undone')], [0, filesIn(path)]);
});
