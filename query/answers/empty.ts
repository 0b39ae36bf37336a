/** Explains answers of zero: why, and in which range there is data, so that a client that asked about the wrong year can find the right one. */
import type { Subject } from '../../facts/views/view.js';
import type { PinnedGeneration } from '../engine/generations.js';
import type { Pace } from '../engine/pace.js';
import type { BucketRange, BucketWidth, Span } from '../../lib/time/buckets.js';
import { maxBucketOf } from '../question/time-range.js';
import type { Engine } from '../engine/engine.js';

export interface Emptiness {
  readonly emptyReason:
    | 'no-pageviews-in-range'
    | 'unknown-domain'
    | 'unknown-url'
    /** With `layer`: that layer has no data of the subjects at all. */
    | 'nothing-in-layer'
    /** For a breakdown: there are pageviews, but none has a value. */
    | 'no-values-in-range'
    /** For a breakdown: the batch view was made before the dimension was kept. */
    | 'dimension-not-counted-yet';
  readonly available?: { readonly from: string; readonly to: string };
}

/** Tells whether the subjects are unknown or only have no data in the range. Call it only if the answer is zero. */
export async function emptinessOf(
  { width }: Pick<Engine, 'width'>,
  generation: PinnedGeneration,
  subjects: readonly Subject[],
  pace: Pace,
): Promise<Emptiness> {
  const hull = new Hull();
  for (const subject of subjects) {
    addBatchBuckets(hull, width, generation, subject);
    await generation.realtime?.forEachBucket(subject, 0, maxBucketOf(width), ({ bucket }) =>
      hull.add(bucket),
    );
    if (pace.due) await pace.rest();
  }
  const { range } = hull;
  if (range !== undefined) {
    return {
      emptyReason: 'no-pageviews-in-range',
      available: { from: width.show(range.from), to: width.show(range.to) },
    };
  }
  if (generation.layer !== undefined) return { emptyReason: 'nothing-in-layer' };
  return { emptyReason: subjects[0]?.kind === 'domain' ? 'unknown-domain' : 'unknown-url' };
}

/** Adds the first and the last bucket of a subject: finds them by month, then reads the base buckets of the first and the last month only. */
function addBatchBuckets(
  hull: Hull,
  width: BucketWidth,
  { batch }: PinnedGeneration,
  subject: Subject,
): void {
  const within = (span: Span, { from, to }: BucketRange): BucketRange | undefined => {
    const found = new Hull();
    batch.forEachBucket(subject, span, from, to, ({ bucket }) => found.add(bucket));
    return found.range;
  };
  const months = within('month', { from: 0, to: width.monthOf(maxBucketOf(width)) + 1 });
  if (months === undefined) return;
  for (const month of new Set([months.from, months.to - 1])) {
    const buckets = within('base', width.basesOf('month', month));
    if (buckets === undefined) continue;
    hull.add(buckets.from);
    hull.add(buckets.to - 1);
  }
}

/** The smallest half-open range that contains all added buckets. */
class Hull {
  #from = Infinity;
  #to = -Infinity;

  add(bucket: number): void {
    if (bucket < this.#from) this.#from = bucket;
    if (bucket >= this.#to) this.#to = bucket + 1;
  }

  get range(): BucketRange | undefined {
    return this.#from < this.#to ? { from: this.#from, to: this.#to } : undefined;
  }
}
