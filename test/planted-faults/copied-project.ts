/** A copy of the project, built, in which faults are planted one at a time, or other edits made. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { text } from 'node:stream/consumers';
import { projectRoot } from '../../lib/files/assets.js';
import type { PlantedFault } from './fault.js';

/** What a run of one test file showed. */
export interface Outcome {
  readonly passed: boolean;
  /** The tests that failed, with the first line of what they said. */
  readonly failures: readonly string[];
  readonly output: string;
  readonly durationMs: number;
}

const left = new Set(['node_modules', '.git', 'data', 'target']);
/** For a build, and for a test of which it is not known yet how long it takes. */
const longestMs = 10 * 60_000;

/** How long a test may take with a fault, when it takes `usualMs` without one: then it hangs, and the fault is caught. */
export function deadlineFor(usualMs: number): number {
  return 30_000 + 4 * usualMs;
}

export class CopiedProject {
  readonly #dir: string;

  /** Copies the project with its build; only the packages it depends on are shared. */
  constructor(dir: string) {
    this.#dir = dir;
    cpSync(projectRoot, dir, { recursive: true, preserveTimestamps: true, filter: isCopied });
    mkdirSync(join(dir, 'node_modules'));
    for (const name of readdirSync(join(projectRoot, 'node_modules'))) {
      const target =
        name === 'hyperloglog-ts' ? '../hyperloglog-ts' : join(projectRoot, 'node_modules', name);
      symlinkSync(target, join(dir, 'node_modules', name));
    }
  }

  /** Plants the fault, runs its test, and takes the fault out again. A test that has not ended after `timeoutMs` has failed. */
  async outcomeOf(
    { edits, test, env = {} }: Pick<PlantedFault, 'edits' | 'test' | 'env'>,
    timeoutMs = longestMs,
  ): Promise<Outcome> {
    const before = edits.map(({ file }) => ({ file, text: readFileSync(join(this.#dir, file), 'utf8') }));
    try {
      for (const { file, find, replace } of edits) this.edit(file, find, replace);
      await this.build();
      return await this.runTest(test, env, timeoutMs);
    } finally {
      for (const { file, text: original } of before.toReversed())
        writeFileSync(join(this.#dir, file), original);
    }
  }

  read(file: string): string {
    return readFileSync(join(this.#dir, file), 'utf8');
  }

  /** Writes a file that is not there yet. */
  create(file: string, content: string): void {
    writeFileSync(join(this.#dir, file), content, { flag: 'wx' });
  }

  /** Replaces a text that must be there once. */
  edit(file: string, find: string, replace: string): void {
    const path = join(this.#dir, file);
    const parts = readFileSync(path, 'utf8').split(find);
    assert.equal(parts.length, 2, `${file} has this text ${parts.length - 1} times, not once:\n${find}`);
    writeFileSync(path, parts.join(replace));
  }

  /** Fails when it does not compile. */
  async build(): Promise<void> {
    const { code, output } = await this.#node(['node_modules/typescript/bin/tsc', '-b'], {}, longestMs);
    assert.equal(code, 0, `it does not compile:\n${output}`);
  }

  /** Of one test file, from the project's root, without its ending; it must have been built. */
  async runTest(
    test: string,
    env: Readonly<Record<string, string>>,
    timeoutMs = longestMs,
  ): Promise<Outcome> {
    const begin = performance.now();
    const { code, output } = await this.#node(
      ['--test-reporter=tap', '--test-force-exit', compiled(test)],
      test.endsWith('.whole.test') ? env : { ROUNDS: '1', ...env }, // not the short form (test/rounds.ts)
      timeoutMs,
    );
    const durationMs = performance.now() - begin;
    const failures = [
      ...output.matchAll(/^not ok \d+ - (.*)$(?:\n(?!\s*error:).*)*?\n\s*error: (?:\|-\n)?(.*)$/gm),
    ];
    const lines = failures.map(([, name = '', message = '']) => `${name}: ${message.trim()}`);
    if (code === undefined) lines.push(`it did not end within ${Math.round(timeoutMs / 1000)} s`);
    return { passed: code === 0, failures: lines, output, durationMs };
  }

  /**
   * In an environment of its own: a fault must be caught whatever the run around it was told. What takes longer than it may is
   * killed with all it has started, which could hold its output open: then there is no code.
   */
  async #node(
    args: readonly string[],
    env: Readonly<Record<string, string>>,
    timeoutMs: number,
  ): Promise<{ readonly code: number | null | undefined; readonly output: string }> {
    const { PATH, HOME, TMPDIR } = process.env;
    const child = spawn(process.execPath, args, {
      cwd: this.#dir,
      env: { PATH, HOME, TMPDIR, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true, // a process group of its own
    });
    let isLate = false;
    const end = (): void => {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    };
    const deadline = setTimeout(() => {
      isLate = true;
      end();
    }, timeoutMs);
    process.once('exit', end); // a group of its own outlives this process
    const exited = once(child, 'exit');
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
    await exited;
    clearTimeout(deadline);
    process.off('exit', end);
    return { code: isLate ? undefined : child.exitCode, output: stdout + stderr };
  }
}

/** Where a test file is once it is built: the sketches are a project of their own. */
function compiled(test: string): string {
  const own = /^hyperloglog-ts\/(.*)$/.exec(test)?.[1];
  return own === undefined ? `dist/${test}.js` : `hyperloglog-ts/dist/${own}.js`;
}

function isCopied(path: string): boolean {
  const parts = relative(projectRoot, path).split('/');
  return !parts.some((part) => left.has(part));
}
