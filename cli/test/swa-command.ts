/** The `swa` command as a process, under the version of Node that runs the test. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { assetPath } from '../../lib/files/assets.js';
import { tempDir } from '../../test/temp-dir.js';

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The path of a data directory that does not exist yet, and `swa` on it. A command that does not end is killed and gets code -1. */
export function setUp(always: Readonly<Record<string, string>> = {}) {
  const dir = tempDir('commands');
  const dataDir = join(dir, 'data');
  const swa = (args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> =>
    new Promise((resolve) => {
      const own = { PATH: process.env['PATH'], SWA_DATA_DIR: dataDir, ...always, ...env };
      execFile(
        process.execPath,
        [assetPath('bin/swa'), ...args],
        { env: own, timeout: 60_000, killSignal: 'SIGKILL' },
        (error, stdout, stderr) => {
          const code = typeof error?.code === 'number' ? error.code : error === null ? 0 : -1;
          resolve({ code, stdout, stderr });
        },
      );
    });
  return { dir, dataDir, swa };
}
