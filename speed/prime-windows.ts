/**
 * Deduplication windows as they are at a position: fed with the records before it, as far back as they look and as the
 * log still reaches. So a repeat is absorbed also when the first of its kind lies before a generation's cut.
 */
import { PlainPageview } from '../lib/facts/plain-pageview.js';
import { decodeRecord } from '../lib/facts/record.js';
import { namesOf, offsetAt } from '../lib/log/cut.js';
import {
  offset,
  parsePartitionName,
  type Log,
  type Offset,
  type Offsets,
  type PartitionName,
  type RecordBatch,
} from '../lib/log/log.js';
import { DedupWindow } from '../lib/facts/dedup-window.js';

const readRecords = 8_192;

/** Ends early, with windows that must not be used, when the signal aborts. */
export async function primedWindows(
  log: Log,
  at: Partial<Offsets>,
  size: number,
  consumer: string,
  signal?: AbortSignal,
): Promise<Map<PartitionName, DedupWindow>> {
  const windows = new Map(namesOf(at).map((name) => [name, new DedupWindow(size)]));
  const start = await startsOf(log, at, size);
  const left = new Set(namesOf(start));
  if (left.size === 0) return windows;
  const plain = new PlainPageview();
  const reader = await log.openReader({ from: start, consumer: `${consumer}-window` });
  try {
    while (left.size > 0) {
      if (signal?.aborted === true) break;
      for (const batch of await reader.next({ maxRecords: readRecords, timeoutMs: 1_000 })) {
        const end = offsetAt(at, batch.name);
        const window = windows.get(batch.name);
        if (window !== undefined) feed(window, batch, end, plain);
        if (batch.nextOffset >= end) left.delete(batch.name);
      }
      await new Promise(setImmediate);
    }
  } finally {
    await reader.close();
  }
  return windows;
}

/** Where to begin, for the partitions of pageviews that have records before the position. */
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

function feed(window: DedupWindow, batch: RecordBatch, end: Offset, plain: PlainPageview): void {
  batch.values.forEach((value, i) => {
    const at = batch.offsets[i];
    if (at === undefined || at >= end) return;
    if (plain.read(value)) {
      window.isRepeatHash(plain.eventId.hi, plain.eventId.lo, at);
      return;
    }
    const fact = decodeRecord(value, batch.topic);
    if (fact.type === 'pageview') window.isRepeat(fact.eventId, at);
  });
}
