/** Runs parts of the workload under the shim, and checks the order of what it did. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { assertInOrder, checkOrder } from './order.js';
import { Shim, type Order, type ShimEvent } from './shim.js';
import type { WorkloadPart } from './workload-facts.js';

const workload = fileURLToPath(new URL('workload.js', import.meta.url));

export class OrderRun {
  readonly #t: TestContext;
  readonly #dataDir: string;
  readonly #shim: Shim;

  constructor(t: TestContext) {
    const base = mkdtempSync(join(tmpdir(), 'swa-order-'));
    t.after(() => rmSync(base, { recursive: true, force: true }));
    this.#t = t;
    this.#dataDir = join(base, 'data');
    this.#shim = new Shim(t, this.#dataDir);
  }

  /** A process that does these parts, beginning with the fact of number `first`; it must end well. Returns what it wrote. */
  work(first: number, ...parts: readonly WorkloadPart[]): string {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [workload, this.#dataDir, String(first), ...parts],
      { env: { PATH: process.env['PATH'], ...this.#shim.env({ log: true }) } },
    );
    assert.equal(status, 0, stderr.toString());
    return stdout.toString();
  }

  arm(order: Order): void {
    this.#shim.arm(order);
  }

  /** How often the order was carried out. */
  get fired(): number {
    return this.#shim.fired;
  }

  get events(): ShimEvent[] {
    return this.#shim.events();
  }

  /** Leaves what a commit leaves that was under way when the machine went down. */
  tearTail(): void {
    const dir = join(this.#dataDir, 'log');
    const last = readdirSync(dir).findLast((name) => name.startsWith('segment-'));
    appendFileSync(join(dir, last ?? ''), Buffer.alloc(100, 7));
  }

  /** Nothing was relied on before it was durable, and it came to each of these moments. */
  assertInOrder(moments: readonly string[]): void {
    const report = checkOrder(this.events, this.#dataDir, true);
    assertInOrder(report);
    for (const name of moments) {
      const count = report.moments.get(name) ?? 0;
      this.#t.diagnostic(`${name}: ${count} times`);
      assert.ok(count > 0, `it never came to this: ${name}`);
    }
  }
}
