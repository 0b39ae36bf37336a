/** Every time that a fact may have, in base buckets of a view; days and months lie within, too. */
import { timeEnd } from '../facts/fact.js';
import { widthOf, type BucketRange } from '../lib/time/buckets.js';
import type { ViewMeta } from '../facts/views/view.js';

export function allTimeOf({ bucketMinutes }: Pick<ViewMeta, 'bucketMinutes'>): BucketRange {
  return { from: -1_000_000, to: Math.ceil(timeEnd / widthOf(bucketMinutes).ms) };
}
