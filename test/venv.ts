/** Programs of Python packages for tests. Each folder that needs some has a requirements.txt, and a `target` once they are installed. */
import { existsSync } from 'node:fs';
import { assetPath } from '../lib/files/assets.js';

export interface VenvProgram {
  readonly path: string;
  /** Why tests that need it are skipped; false when it is there. */
  readonly skip: string | false;
}

/** @param what its name in the reason */
export function venvProgram(folder: string, program: string, what: string): VenvProgram {
  const path = assetPath(`${folder}/target/bin/${program}`);
  const install = `python3 -m venv ${folder}/target && ${folder}/target/bin/pip install -r ${folder}/requirements.txt`;
  return { path, skip: existsSync(path) ? false : `no ${what}: ${install}` };
}
