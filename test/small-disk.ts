/** A small file system of its own, to be filled: needs root. */
import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { tempDir } from './temp-dir.js';

/** The path of a mounted tmpfs, gone after the test; undefined where it cannot be mounted. */
export function mountSmallDisk(t: TestContext, megabytes: number): string | undefined {
  const mount = tempDir('small');
  let mounted = false;
  t.after(() => {
    if (mounted) execFileSync('umount', ['-l', mount]);
    rmSync(mount, { recursive: true, force: true });
  });
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', mount], { stdio: 'ignore' });
    mounted = true;
    return mount;
  } catch {
    return undefined;
  }
}

/** Writes a file until there is no room for `leftBytes` more. */
export function fillUp(path: string, leftBytes = 1): void {
  for (let sizeBytes = 1 << 20; sizeBytes >= leftBytes; sizeBytes = Math.floor(sizeBytes / 2)) {
    const block = Buffer.alloc(sizeBytes, 1);
    try {
      for (;;) writeFileSync(path, block, { flag: 'a' });
    } catch {
      // no room for a block of this size: go on with half
    }
  }
}
