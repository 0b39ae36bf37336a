/** Runs parts of the workload under the shim, and checks the order of what it did. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { appendFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { assertInOrder, checkOrder } from './order.js';
import { Shim } from './shim.js';
import type { WorkloadPart } from './workload-facts.js';
import { tempDir } from '../temp-dir.js';

const workload = fileURLToPath(new URL('workload.js', import.meta.url));

export class OrderRun {
  readonly #t: TestContext;
  readonly #dataDir: string;
  readonly #shim: Shim;

  constructor(t: TestContext) {
    const base = tempDir('order');
    this.#t = t;
    this.#dataDir = join(base, 'data');
    this.#shim = new Shim(t, this.#dataDir);
  }

  /** A process that does these parts, beginning with the fact of number `first`; it must end well. Returns what it wrote. */
  work(first: number, ...parts: readonly WorkloadPart[]): string {
    const { status, stdout, stderr } = this.#run(first, parts);
    assert.equal(status, 0, stderr.toString());
    return stdout.toString();
  }

  /**
   * The same while one sync of these files fails: the process may end with that error, but nobody takes the sync for one that
   * went well, or tries it again on that file: the kernel may have dropped what it could not write.
   * @param path fnmatch
   */
  workWithFailedSync(path: string, first: number, ...parts: readonly WorkloadPart[]): string {
    this.#shim.arm({ ops: ['sync'], path, action: 'fail', error: 'EIO' });
    const { status, stdout, stderr } = this.#run(first, parts);
    assert.equal(this.#shim.fired, 1, `no sync of ${path} failed`);
    this.#shim.disarm();
    if (status !== 0) assert.match(stderr.toString(), /EIO/);
    const events = this.#shim.events();
    const failure = events.findLastIndex(({ op, outcome }) => op === 'sync' && outcome === 'failed');
    const inode = events[failure]?.inode;
    const later = events.slice(failure + 1).filter((event) => event.inode === inode);
    const end = later.findIndex(({ op }) => op === 'create' || op === 'mkdir'); // the number is another file's from there on
    const again = later
      .slice(0, end < 0 ? later.length : end)
      .filter(({ op }) => op === 'sync' || op === 'write');
    assert.deepEqual(again, []);
    return stdout.toString();
  }

  #run(first: number, parts: readonly WorkloadPart[]) {
    return spawnSync(process.execPath, [workload, this.#dataDir, String(first), ...parts], {
      env: { PATH: process.env['PATH'], ...this.#shim.env({ log: true }) },
    });
  }

  /** Leaves what a commit leaves that was under way when the machine went down. */
  tearTail(): void {
    const dir = join(this.#dataDir, 'log');
    const last = readdirSync(dir).findLast((name) => name.startsWith('segment-'));
    appendFileSync(join(dir, last ?? ''), Buffer.alloc(100, 7));
  }

  /**
   * Nothing was relied on before it was durable, and it came to each of these moments.
   * @param isEnd whether all processes ended well
   */
  assertInOrder(moments: readonly string[], isEnd = true): void {
    const report = checkOrder(this.#shim.events(), this.#dataDir, isEnd);
    assertInOrder(report);
    for (const name of moments) {
      const count = report.moments.get(name) ?? 0;
      this.#t.diagnostic(`${name}: ${count} times`);
      assert.ok(count > 0, `it never came to this: ${name}`);
    }
  }
}
