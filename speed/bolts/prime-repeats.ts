/**
 * Fills the deduplication windows for a start at some positions, from the records before them, as far back as the windows and the log reach. So
 * repeats are also detected if the original is before a generation's cut.
 */
import { namesOf, offsetAt } from '../../log/cut.js';
import {
  offset,
  parsePartitionName,
  type Log,
  type Offset,
  type Offsets,
  type PartitionName,
} from '../../log/log.js';
import type { CountingRules } from './counting-rules.js';
import type { PartitionWork } from '../generations/partition-work.js';
import { sliceRecords, type RecordRange, type SliceReader } from './slice-reader.js';

const readRecords = 8_192;

export interface PrimingOptions {
  readonly log: Log;
  /** The position of each partition. */
  readonly at: Offsets;
  /** Size of the windows, in offsets. */
  readonly size: number;
  readonly consumer: string;
  readonly reader: SliceReader;
  readonly rules: CountingRules;
  readonly signal?: AbortSignal;
}

/** If the signal aborts, returns early; `work` must not be used then. */
export async function primeRepeats(
  work: ReadonlyMap<PartitionName, PartitionWork>,
  { log, at, size, consumer, reader, rules, signal }: PrimingOptions,
): Promise<void> {
  const start = await startsOf(log, at, size);
  const left = new Set(namesOf(start));
  if (left.size === 0) return;
  const logReader = await log.openReader({ from: start, consumer: `${consumer}-window` });
  try {
    while (left.size > 0) {
      if (signal?.aborted === true) break;
      for (const batch of await logReader.next({ maxRecords: readRecords, timeoutMs: 1_000 })) {
        const end = offsetAt(at, batch.name);
        const ofPartition = work.get(batch.name);
        const to = ofPartition === undefined ? 0 : batch.offsets.findLastIndex((each) => each < end) + 1;
        for (let from = 0; from < to; from += sliceRecords)
          if (ofPartition !== undefined)
            show({ batch, from, to: Math.min(to, from + sliceRecords) }, reader, rules, ofPartition);
        if (batch.nextOffset >= end) left.delete(batch.name);
      }
      await new Promise(setImmediate);
    }
  } finally {
    await logReader.close();
  }
  for (const [name, { repeats }] of work) repeats.committed(offsetAt(at, name));
}

/** Skips records that the rules fail on: they count nowhere. */
function show(slice: RecordRange, reader: SliceReader, rules: CountingRules, work: PartitionWork): void {
  try {
    rules.show(reader.read(slice).pageviews, work);
  } catch {
    const { batch, from, to } = slice;
    if (to - from > 1)
      for (let i = from; i < to; i++) show({ batch, from: i, to: i + 1 }, reader, rules, work);
  }
}

/** Start offsets for the pageview partitions that have records before the position. */
async function startsOf(log: Log, at: Partial<Offsets>, size: number): Promise<Partial<Offsets>> {
  const earliest = await log.earliest();
  const starts: [PartitionName, Offset][] = [];
  for (const name of namesOf(at)) {
    const end = offsetAt(at, name);
    const first = Math.max(offsetAt(earliest, name), end - size);
    if (parsePartitionName(name).topic === 'pageviews' && first < end) starts.push([name, offset(first)]);
  }
  return Object.fromEntries(starts);
}
