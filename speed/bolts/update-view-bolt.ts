/**
 * The update view bolt: adds views to `Map<URL, SortedMap<bucket, sketch>>` of their partition. By fields grouping one task receives all views
 * of a URL, so two tasks never update the same page. The cells of domains and of dimension values follow from the pageviews when the epoch is
 * committed.
 */
import type { PartitionName } from '../../log/log.js';
import type { PartitionNotes, SliceViews } from '../store/epoch-changes.js';
import type { PartitionWork } from '../generations/partition-work.js';
import type { Bolt, BoltOutput, Tuple } from '../../topology/index.js';

type Input =
  | [pageGroup: number, partition: PartitionName, views: SliceViews, rows: Int32Array]
  | [partition: PartitionName, notes: PartitionNotes];

export class UpdateViewBolt implements Bolt<Input> {
  readonly #work: ReadonlyMap<PartitionName, PartitionWork>;
  #output: BoltOutput | undefined;

  constructor(work: ReadonlyMap<PartitionName, PartitionWork>) {
    this.#work = work;
  }

  prepare(_context: unknown, output: BoltOutput): void {
    this.#output = output;
  }

  execute(tuple: Tuple<Input>): void {
    if (tuple.values.length === 2) {
      const [partition, notes] = tuple.values;
      this.#work.get(partition)?.changes.addNotes(notes);
    } else {
      const [, partition, views, rows] = tuple.values;
      this.#work.get(partition)?.changes.addPageviews(views, rows);
    }
    this.#output?.ack(tuple);
  }
}
