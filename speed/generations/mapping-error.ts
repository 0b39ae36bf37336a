/**
 * Measures the error of using the batch view's mapping between runs. Until the next batch run the realtime view does not apply new equiv edges,
 * so it may count a person twice. After a hand-over both generations are at the same position of the log: the old one with the old mapping, the
 * new one with the new mapping for the same facts. Their difference, page by page over the buckets of the old realtime view, is the error of the
 * old answers.
 */
import { HllSketch } from 'hyperloglog-ts';
import type { BucketCell } from '../../facts/views/view.js';
import type { Generation } from './generation.js';
import { CellSubject } from '../store/cell-subject.js';
import { sketchOf } from '../store/cell-codec.js';

export interface MappingError {
  /** Number of pages compared. */
  readonly pages: number;
  /** Relative difference of the number of visitors: 0.01 is 1 %. */
  readonly median: number;
  readonly p99: number;
}

const maxPages = 400;
const pagesPerTurn = 20;

/** Compares a sample of pages; both generations must be at the same positions. */
export async function measureMappingError(
  old: Generation,
  next: Generation,
  lgK: number,
): Promise<MappingError> {
  const differences: number[] = [];
  // Cells of different bucket widths cannot be compared.
  if (old.view.meta.bucketMinutes !== next.view.meta.bucketMinutes) return { pages: 0, median: 0, p99: 0 };
  for (const [url, buckets] of old.samplePages(maxPages)) {
    const before = visitors(old, url, buckets, lgK);
    const after = visitors(next, url, buckets, lgK);
    if (after > 0) differences.push(Math.abs(before - after) / after);
    if (differences.length % pagesPerTurn === 0) await new Promise(setImmediate);
  }
  differences.sort((a, b) => a - b);
  const at = (share: number): number => differences[Math.ceil(differences.length * share) - 1] ?? 0;
  return { pages: differences.length, median: at(0.5), p99: at(0.99) };
}

function visitors(generation: Generation, url: string, buckets: readonly number[], lgK: number): number {
  const sketch = new HllSketch({ lgK });
  const add = (cell: Pick<BucketCell, 'sketch'>): void => void sketch.merge(sketchOf(cell.sketch, lgK));
  const subject = CellSubject.page(url);
  for (const bucket of buckets) {
    generation.view.forEachBucket({ kind: 'page', url }, 'base', bucket, bucket + 1, add);
    generation.visitCell(subject, bucket, add);
  }
  return sketch.estimate();
}
