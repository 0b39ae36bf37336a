/** Faults in what the log and its queues promise: durable, in order, once. */
import type { PlantedFault } from '../fault.js';
import { edit, faultsOf, quick } from '../room-fault.js';

const fault = faultsOf('log');

export const logFaults: readonly PlantedFault[] = [
  fault(
    'order',
    'a sync that failed is tried again on the same segment',
    edit(
      'log/embedded/writer.ts',
      '      await syncData(this.#fd);\n',
      '      await syncData(this.#fd).catch(() => syncData(this.#fd));\n',
    ),
  ),
  fault(
    'order',
    'a segment whose sync failed is written on',
    edit(
      'log/embedded/writer.ts',
      'this.#spoiled = true; // the kernel',
      'this.#spoiled = false; // the kernel',
    ),
  ),
  fault(
    'order',
    'a job queue acknowledges before LMDB has synced its root',
    edit(
      'log/queue/queue-file.ts',
      'openLmdb<Value, number>(dir, { maxReaders })',
      'openLmdb<Value, number>(dir, { maxReaders, noMetaSync: true })',
    ),
  ),
  fault(
    'queues',
    'a lease never expires',
    edit(
      'log/queue/single-consumer-queue.ts',
      'attempt, freeAt: now + this.#options.leaseMs }',
      'attempt, freeAt: Number.MAX_SAFE_INTEGER }',
    ),
  ),
  fault(
    'queues',
    'a worker may settle what another has by now',
    edit(
      'log/queue/single-consumer-queue.ts',
      'if (!isItem(stored) || stored.attempt !== this.#leases.get(id)) {',
      'if (!isItem(stored) || this.#leases.get(id) === undefined) {',
    ),
  ),
  quick(
    fault(
      'group-commit',
      'an append is acknowledged before its commit',
      edit(
        'log/group-commit.ts',
        `        await this.#options.commit(group.map((waiting) => waiting.item));
        for (const waiting of group) waiting.resolve();`,
        `        const committed = this.#options.commit(group.map((waiting) => waiting.item));
        for (const waiting of group) waiting.resolve();
        await committed;`,
      ),
    ),
  ),
  fault(
    'group-commit',
    'two commits are under way at once',
    edit(
      'log/group-commit.ts',
      'this.#running ??= this.#run().finally(() => (this.#running = undefined));',
      'this.#running = this.#run();',
    ),
  ),
  fault(
    'group-commit',
    'an append whose commit failed is acknowledged',
    edit(
      'log/group-commit.ts',
      'for (const waiting of group) waiting.reject(refusal);',
      'for (const waiting of group) if (refusal.retryable) waiting.resolve();\n        else waiting.reject(refusal);',
    ),
  ),
  fault(
    'embedded-log',
    'a reader reads beyond the watermark',
    edit(
      'log/embedded/reader.ts',
      'if (this.#segment === durable.segment) return durable.position;',
      'if (this.#segment === durable.segment) return statSync(this.#segments.path(this.#segment)).size;',
    ),
    edit(
      'log/embedded/reader.ts',
      'import { open, type FileHandle }',
      "import { statSync } from 'node:fs';\nimport { open, type FileHandle }",
    ),
  ),
  fault(
    'embedded-log-damage',
    'damage to acknowledged records is cut off as a torn tail',
    edit(
      'log/embedded/recover.ts',
      'if (end < durableTo || isFollowed(fd, end)) {',
      'if (isFollowed(fd, end)) {',
    ),
    edit(
      'log/embedded/recover.ts',
      'cutUnacknowledged(fd, end, durableTo);',
      'cutUnacknowledged(fd, end, 0 * durableTo);',
    ),
  ),
  fault(
    'embedded-log',
    'trimming takes a segment that is still needed',
    edit(
      'log/embedded/writer.ts',
      'following.base.some((base, i) => base > (limits[i] ?? 0))',
      'following.base.every((base, i) => base > (limits[i] ?? 0))',
    ),
  ),
];
