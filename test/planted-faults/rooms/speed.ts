/** Faults in epochs, generations and hand-overs. */
import type { PlantedFault } from '../fault.js';
import { edit, faultsOf } from '../room-fault.js';

const fault = faultsOf('speed');

export const speedFaults: readonly PlantedFault[] = [
  fault(
    'store-writer',
    'the position of an epoch is committed before its changes',
    edit(
      'speed/store/store-writer.ts',
      `      this.#db.transactionSync(() => {
        this.#requireAt(from);`,
      `      this.#db.transactionSync(() => {
        this.#requireAt(from);
        this.#db.putSync(progressKey, Buffer.from(progress));
      });
      this.#db.transactionSync(() => {`,
    ),
  ),
  fault(
    'store-writer',
    'the position of an epoch is committed after its changes',
    edit(
      'speed/store/store-writer.ts',
      `        this.#db.putSync(progressKey, Buffer.from(progress));
      });`,
      `      });
      this.#db.transactionSync(() => this.#db.putSync(progressKey, Buffer.from(progress)));`,
    ),
  ),
  fault(
    'commit-thread',
    'an epoch is committed wherever the store stands',
    edit('speed/store/store-writer.ts', 'if (next === from) return;', 'if (next >= 0) return;'),
  ),
  fault(
    'generation',
    'only pageviews that fail are set aside',
    edit(
      'speed/bolts/slice-source.ts',
      'const first = batch.offsets[from];',
      "const first = partition.startsWith('pageviews') ? batch.offsets[from] : undefined;",
    ),
  ),
  fault(
    'commit-thread',
    'a stop waits for the whole of a commit',
    edit(
      'speed/store/store-writer.ts',
      'throwIfCancelled(cancelled);',
      'if (cell < 0) throwIfCancelled(cancelled);',
    ),
  ),
  fault(
    'commit-thread',
    'a stop commits what is being processed',
    edit('speed/generations/generation.ts', 'if (options.signal?.aborted === true) {', 'if (records < 0) {'),
  ),
  fault(
    'may-take-over',
    'a generation takes over when one partition has caught up',
    edit(
      'speed/generations/hand-over.ts',
      'return pointer.partitions.every((partition) => {',
      'return pointer.partitions.some((partition) => {',
    ),
  ),
  fault(
    'may-take-over',
    'the serving generation passes the next one',
    edit(
      'speed/generations/hand-over.ts',
      'return reached !== undefined && reached >= offsetAt(serving, name) ?',
      'return reached !== undefined && reached < offsetAt(serving, name) ?',
    ),
  ),
  fault(
    'repeats',
    'the window before a cut is one offset short',
    edit('speed/bolts/prime-repeats.ts', 'end - size);', 'end - size + 1);'),
  ),
  fault(
    'generation',
    'the last fact before the cut counts in both layers',
    edit(
      'speed/generations/open-partitions.ts',
      'from: offsetAt(cut.next, partition),',
      'from: Math.max(0, offsetAt(cut.next, partition) - 1) as ReturnType<typeof offsetAt>,',
    ),
  ),
  fault(
    'generation',
    'late facts are dropped',
    edit(
      'speed/bolts/normalize-bolt.ts',
      '    const { rows, pages } = withoutRepeats(countable, pageviews.offsets, work.repeats);\n',
      `    const all = withoutRepeats(countable, pageviews.offsets, work.repeats);
    const timeOf = (i: number): number => pageviews.timestamps[all.rows[i] ?? 0] ?? 0;
    all.rows.forEach((_, i) => (newest = Math.max(newest, timeOf(i))));
    const isInTime = (_: unknown, i: number): boolean => timeOf(i) > newest - 3_600_000;
    const rows = all.rows.filter(isInTime);
    const pages = all.pages.filter(isInTime);
`,
    ),
    edit(
      'speed/bolts/normalize-bolt.ts',
      "const nothing: Pick<PartitionNotes, 'edges' | 'repeats' | 'refused'> = {",
      "let newest = 0;\nconst nothing: Pick<PartitionNotes, 'edges' | 'repeats' | 'refused'> = {",
    ),
  ),
  fault(
    'counting-rules',
    'edges of erased ids join after the cut',
    edit(
      'speed/bolts/counting-rules.ts',
      'return edges.filter((edge) => !this.#exclusions.excludesEdge(edge));',
      'return edges;',
    ),
  ),
  fault(
    'dimensions',
    'what one field says of a pageview is not looked at when another has been seen with the rest',
    edit(
      'speed/bolts/dimension-values.ts',
      'for (const field of this.#fields) {',
      'for (const field of this.#fields.slice(1)) {',
    ),
  ),
  fault(
    'dimensions',
    'values are counted in the base bucket that their combination was first met in',
    edit(
      'speed/store/epoch-changes.ts',
      'this.#numberOf(combination, buckets[row] ?? 0)',
      'this.#numberOf(combination, combination.numbers === this.#combinations.id ? combination.recentBucket : (buckets[row] ?? 0))',
    ),
  ),
  fault(
    'dimensions',
    'the last dimension is not written',
    edit(
      'speed/arrays/cells.ts',
      'if (combinationCells[at] >= 0) coupons[',
      'if (combinationCells[at] >= 0 && at < from + dimensions - 1) coupons[',
    ),
  ),
];
