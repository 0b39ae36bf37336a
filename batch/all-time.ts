/** The range of base buckets that covers every possible time of a fact; days and months are within it too. */
import { timeEnd } from '../facts/fact.js';
import { widthOf, type BucketRange } from '../lib/time/buckets.js';
import type { ViewMeta } from '../facts/views/view.js';

export function allTimeOf({ bucketMinutes }: Pick<ViewMeta, 'bucketMinutes'>): BucketRange {
  return { from: -1_000_000, to: Math.ceil(timeEnd / widthOf(bucketMinutes).ms) };
}
