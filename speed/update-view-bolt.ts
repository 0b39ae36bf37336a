/**
 * The update view bolt: adds views to `Map<URL, SortedMap<hour, sketch>>` of the partition they came from. By fields
 * grouping one task sees all of one URL, so no two tasks ever touch one cell.
 */
import type { PartitionName } from '../lib/log/log.js';
import type { PartitionNotes, PartitionView, SliceViews } from './store/partition-view.js';
import type { Bolt, BoltOutput, Tuple } from './topology/index.js';

type Input =
  | [lane: number, partition: PartitionName, views: SliceViews, rows: readonly number[]]
  | [partition: PartitionName, notes: PartitionNotes];

export class UpdateViewBolt implements Bolt<Input> {
  readonly #views: ReadonlyMap<PartitionName, PartitionView>;
  #output: BoltOutput | undefined;

  constructor(views: ReadonlyMap<PartitionName, PartitionView>) {
    this.#views = views;
  }

  prepare(_context: unknown, output: BoltOutput): void {
    this.#output = output;
  }

  execute(tuple: Tuple<Input>): void {
    if (tuple.values.length === 2) {
      const [partition, notes] = tuple.values;
      this.#views.get(partition)?.addNotes(notes);
    } else {
      const [, partition, views, rows] = tuple.values;
      this.#views.get(partition)?.addPageviews(views, rows);
    }
    this.#output?.ack(tuple);
  }
}
