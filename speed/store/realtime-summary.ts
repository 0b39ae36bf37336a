/** Summary of a realtime view, wherever its stores are: sums over the progress of its partitions. */
import type { Cut, LogId, Offset, PartitionName } from '../../log/log.js';
import type { ViewId } from '../../facts/views/view.js';
import { sumOf, type Progress } from './store-meta.js';

/** The part of a store's progress that readers see. */
export type ShownProgress = Omit<Progress, 'pageviews' | 'repeats' | 'refused'>;

export class RealtimeSummary {
  readonly generation: ViewId;
  readonly cut: Cut;
  readonly equivsAfterBatchCut: number;
  readonly retractionsAfterBatchCut: number;
  readonly exclusionsAfterBatchCut: number;
  readonly deadLetters: number;
  readonly lastReceivedAt: number | undefined;
  readonly progress: ReadonlyMap<PartitionName, ShownProgress>;

  constructor(generation: ViewId, logId: LogId, progress: ReadonlyMap<PartitionName, ShownProgress>) {
    const next = [...progress].map(([name, at]): [PartitionName, Offset] => [name, at.next]);
    const all = [...progress.values()];
    this.generation = generation;
    this.cut = { logId, next: Object.fromEntries(next) };
    this.equivsAfterBatchCut = sumOf(all, ({ equivs }) => equivs);
    this.retractionsAfterBatchCut = sumOf(all, ({ retractions }) => retractions);
    this.exclusionsAfterBatchCut = sumOf(all, ({ exclusions }) => exclusions);
    this.deadLetters = sumOf(all, ({ deadLetters }) => deadLetters);
    const newest = Math.max(...all.map(({ lastReceivedAt }) => lastReceivedAt ?? -1));
    this.lastReceivedAt = newest < 0 ? undefined : newest;
    this.progress = progress;
  }
}
