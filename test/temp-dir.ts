/** Temporary folders of tests: gone when the process of the test file ends, after everything that may still use them. */
import { existsSync, mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const made: string[] = [];
process.once('exit', () => {
  for (const dir of made) rmSync(dir, { recursive: true, force: true, maxRetries: 3 });
});

/** A new, empty folder. The name shows in its path. */
export function tempDir(name: string, parent = tmpdir()): string {
  const dir = mkdtempSync(join(parent, `swa-${name}-`));
  made.push(dir);
  return dir;
}

/** The same, in memory where the system has enough room there: for small files that are synced again and again. */
export function tempDirInMemory(name: string): string {
  const memory = '/dev/shm';
  return tempDir(name, existsSync(memory) && freeBytes(memory) > roomBytes ? memory : tmpdir());
}

/** A container has 64 MB there, unless it is given more. */
const roomBytes = 2 ** 30;

function freeBytes(path: string): number {
  const { bavail, bsize } = statfsSync(path);
  return bavail * bsize;
}
