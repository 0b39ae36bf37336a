/**
 * What the topology gets from the log: slices of consecutive records of one partition, decoded, with repeats taken out.
 *
 * Every record passes here exactly once in a generation's life in this process, in offset order, so the deduplication
 * windows see what they must; an epoch that is replayed gets its slices from memory, not from here.
 */
import type { Fact, Pageview } from '../lib/facts/fact.js';
import { decodeRecord, type Decoded } from '../lib/facts/record.js';
import { namesOf, offsetAt } from '../lib/log/cut.js';
import {
  offset,
  parsePartitionName,
  type Log,
  type LogReader,
  type Offset,
  type Offsets,
  type PartitionName,
  type RecordBatch,
} from '../lib/log/log.js';
import { DedupWindow } from './dedup-window.js';

/** Consecutive records of one partition. `pageviews`, `offsets` and `values` belong together by index. */
export interface Slice {
  readonly partition: PartitionName;
  /** The pageviews to be counted, with their offsets and bytes. */
  readonly pageviews: readonly Pageview[];
  readonly offsets: readonly Offset[];
  readonly values: readonly Uint8Array[];
  /** Equiv edges and retractions among the records. */
  readonly edges: number;
  /** Records that are not counted, by reason. */
  readonly refused: ReadonlyMap<string, number>;
  readonly lastReceivedAt: number;
  /** Records set aside because they failed. */
  readonly deadLetters: number;
  /** How many records of the log this is. */
  readonly records: number;
  /** Where the partition goes on. */
  readonly next: Offset;
}

/** Most records in a slice: enough for equal URLs to meet in one tuple, few enough to give the event loop its turn. */
const sliceRecords = 1_024;
const repeat = 'repeated eventId';

export interface IntakeOptions {
  readonly log: Log;
  /** Where to begin; exactly these partitions are read. */
  readonly from: Partial<Offsets>;
  /** Offsets in which repeats are absorbed, also across `from`. */
  readonly dedupWindow: number;
  readonly consumer: string;
  readonly signal?: AbortSignal;
}

export class LogIntake {
  readonly #reader: LogReader;
  readonly #windows: ReadonlyMap<PartitionName, DedupWindow>;
  readonly #queues: ReadonlyMap<PartitionName, BatchQueue>;

  private constructor(reader: LogReader, windows: ReadonlyMap<PartitionName, DedupWindow>) {
    this.#reader = reader;
    this.#windows = windows;
    this.#queues = new Map([...windows.keys()].map((name) => [name, new BatchQueue(name)]));
  }

  /** Reads the records before `from` that are within the window, then stands ready at `from`. */
  static async open(options: IntakeOptions): Promise<LogIntake> {
    const windows = await primedWindows(options);
    const reader = await options.log.openReader({ from: options.from, consumer: options.consumer });
    return new LogIntake(reader, windows);
  }

  /** Records taken from the log and not yet handed out. */
  get buffered(): number {
    let records = 0;
    for (const queue of this.#queues.values()) records += queue.records;
    return records;
  }

  /** Takes more from the log, at most about `maxRecords`; waits up to `timeoutMs` for the first. */
  async fill(maxRecords: number, timeoutMs: number, signal?: AbortSignal): Promise<void> {
    const batches = await this.#reader.next({
      maxRecords,
      timeoutMs,
      ...(signal === undefined ? {} : { signal }),
    });
    for (const batch of batches) {
      const window = this.#windows.get(batch.name);
      if (window !== undefined) this.#queues.get(batch.name)?.add(decodeBatch(batch, window));
    }
  }

  /** Hands out at most `maxRecords` records, none at or beyond `limit` where a limit is given. */
  take(maxRecords: number, limit: Partial<Offsets>): Slice[] {
    const slices: Slice[] = [];
    let left = maxRecords;
    for (const [name, queue] of this.#queues) {
      while (left > 0) {
        const slice = queue.take(Math.min(left, sliceRecords), limit[name] ?? Number.MAX_SAFE_INTEGER);
        if (slice === undefined) break;
        slices.push(slice);
        left -= slice.records;
      }
    }
    return slices;
  }

  close(): Promise<void> {
    return this.#reader.close();
  }
}

/** A record's fact, or why it is none to be counted. */
type Judged = Fact | { readonly type: 'invalid'; readonly reason: string };

interface DecodedBatch {
  readonly batch: RecordBatch;
  readonly judged: readonly Judged[];
}

function decodeBatch(batch: RecordBatch, window: DedupWindow): DecodedBatch {
  const judged = batch.values.map((value, i): Judged => {
    const decoded = decodeRecord(value);
    return isRepeat(decoded, batch.offsets[i] ?? 0, window) ? { type: 'invalid', reason: repeat } : decoded;
  });
  return { batch, judged };
}

function isRepeat(decoded: Decoded, at: number, window: DedupWindow): boolean {
  return decoded.type === 'pageview' && window.isRepeat(decoded.eventId, at);
}

/** Decoded batches of one partition, handed out in slices. */
class BatchQueue {
  readonly #name: PartitionName;
  readonly #batches: DecodedBatch[] = [];
  /** Next record of the first batch. */
  #at = 0;
  records = 0;

  constructor(name: PartitionName) {
    this.#name = name;
  }

  add(decoded: DecodedBatch): void {
    this.#batches.push(decoded);
    this.records += decoded.judged.length;
  }

  take(maxRecords: number, limit: number): Slice | undefined {
    const first = this.#batches[0];
    if (first === undefined) return undefined;
    const { offsets, nextOffset } = first.batch;
    const from = this.#at;
    let to = from;
    while (to < offsets.length && to - from < maxRecords && (offsets[to] ?? 0) < limit) to++;
    if (to === from) return undefined;
    this.records -= to - from;
    this.#at = to;
    if (to === offsets.length) {
      this.#batches.shift();
      this.#at = 0;
    }
    const end = offsets[to] ?? nextOffset;
    return sliceOf(this.#name, first, from, to, offset(Math.min(end, limit)));
  }
}

function sliceOf(
  partition: PartitionName,
  { batch, judged }: DecodedBatch,
  from: number,
  to: number,
  next: Offset,
): Slice {
  const pageviews: Pageview[] = [];
  const offsets: Offset[] = [];
  const values: Uint8Array[] = [];
  const refused = new Map<string, number>();
  let edges = 0;
  let lastReceivedAt = -1;
  for (let i = from; i < to; i++) {
    const fact = judged[i];
    const at = batch.offsets[i];
    const value = batch.values[i];
    if (fact === undefined || at === undefined || value === undefined) continue;
    if (fact.type === 'invalid') {
      refused.set(fact.reason, (refused.get(fact.reason) ?? 0) + 1);
      continue;
    }
    if (fact.receivedAt > lastReceivedAt) lastReceivedAt = fact.receivedAt;
    if (fact.type === 'pageview') {
      pageviews.push(fact);
      offsets.push(at);
      values.push(value);
    } else edges++;
  }
  const records = to - from;
  return {
    partition,
    pageviews,
    offsets,
    values,
    edges,
    refused,
    lastReceivedAt,
    deadLetters: 0,
    records,
    next,
  };
}

/** The same records, each pageview in a slice of its own; what else there is to note goes with the first. */
export function singles(slice: Slice): Slice[] {
  const nothing = { edges: 0, refused: new Map<string, number>(), deadLetters: 0, records: 0 };
  return slice.pageviews.map((pageview, i) => ({
    ...slice,
    ...(i === 0 ? {} : nothing),
    pageviews: [pageview],
    offsets: slice.offsets.slice(i, i + 1),
    values: slice.values.slice(i, i + 1),
  }));
}

const primeRecords = 8_192;

/** Windows that have seen the records before `from`, as far back as they look and the log reaches. */
async function primedWindows(options: IntakeOptions): Promise<Map<PartitionName, DedupWindow>> {
  const { log, from, dedupWindow, consumer, signal } = options;
  const windows = new Map(namesOf(from).map((name) => [name, new DedupWindow(dedupWindow)]));
  const earliest = await log.earliest();
  const start: Partial<Offsets> = Object.fromEntries(
    namesOf(from)
      .filter((name) => parsePartitionName(name).topic === 'pageviews')
      .map((name) => [name, Math.max(offsetAt(earliest, name), offsetAt(from, name) - dedupWindow)])
      .filter(([name, first]) => Number(first) < offsetAt(from, name as PartitionName)), // a key of `from`
  );
  const left = new Set(namesOf(start));
  if (left.size === 0) return windows;
  const reader = await log.openReader({ from: start, consumer: `${consumer}-window` });
  try {
    while (left.size > 0) {
      if (signal?.aborted === true) break; // the caller lets go of what it opens
      for (const batch of await reader.next({ maxRecords: primeRecords, timeoutMs: 1_000 })) {
        const end = offsetAt(from, batch.name);
        prime(batch, end, windows.get(batch.name));
        if (batch.nextOffset >= end) left.delete(batch.name);
      }
      await new Promise(setImmediate);
    }
  } finally {
    await reader.close();
  }
  return windows;
}

function prime(batch: RecordBatch, end: number, window: DedupWindow | undefined): void {
  for (let i = 0; i < batch.values.length; i++) {
    const at = batch.offsets[i] ?? end;
    const value = batch.values[i];
    if (at >= end || value === undefined || window === undefined) return;
    isRepeat(decodeRecord(value), at, window);
  }
}
