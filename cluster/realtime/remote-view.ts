/**
 * A realtime view on other hosts: one snapshot of each worker that holds some of its partitions, together one cut. Reads go to the workers over HTTP
 * (worker-client.ts); cells can be prefetched.
 */
import { mergeAscendingAsync } from '../../lib/memory/merge-ascending.js';
import { normalizedValue } from '../../facts/dimensions/value.js';
import type { Offsets, PartitionName } from '../../log/log.js';
import type {
  BucketCell,
  EdgeBlock,
  PageCount,
  RealtimeView,
  Subject,
  ValueCount,
  ViewId,
} from '../../facts/views/view.js';
import { RealtimeSummary, type ShownProgress } from '../../speed/store/realtime-summary.js';
import type { WorkerClient } from './worker-client.js';
import {
  cellsIn,
  countsFrame,
  domainsFrame,
  edgesFrame,
  maxSubjects,
  sizeOf,
  type SentCell,
  type SnapshotAnswer,
} from './wire.js';

/** A worker's snapshot of some partitions. */
export interface RemotePart {
  readonly worker: WorkerClient;
  readonly answer: SnapshotAnswer;
}

/** Maximum size of the prefetched and cached cells of one view. */
const maxAheadBytes = 32 * 2 ** 20;

interface Ahead {
  readonly from: number;
  readonly to: number;
  readonly cells: BucketCell[];
}

export class RemoteView extends RealtimeSummary implements RealtimeView {
  readonly #parts: readonly RemotePart[];
  readonly #lost: (worker: WorkerClient) => void;
  readonly #ahead = new Map<string, Ahead>();
  #aheadBytes = 0;
  #released = false;

  /** @param lost called with a worker that fails while it is read */
  constructor(generation: ViewId, parts: readonly RemotePart[], lost: (worker: WorkerClient) => void) {
    const progress = parts.flatMap(({ answer }): [PartitionName, ShownProgress][] =>
      answer.partitions.map(([name, { lastReceivedAt, ...at }]) => [name, { ...at, lastReceivedAt }]),
    );
    const [first] = parts;
    if (first === undefined) throw new TypeError('a view of no parts');
    super(generation, first.answer.logId, new Map(progress));
    this.#parts = parts;
    this.#lost = lost;
  }

  /** Fetches the cells of these subjects in their order, as far as they fit into memory. */
  async prefetch(subjects: readonly Subject[], from: number, to: number): Promise<void> {
    const wanted = subjects.filter((subject) => !this.#isAhead(subject, from, to));
    for (let at = 0; at < wanted.length && this.#aheadBytes < maxAheadBytes; at += maxSubjects)
      await this.#fetchAhead(wanted.slice(at, at + maxSubjects), from, to);
  }

  async forEachBucket(
    subject: Subject,
    fromBucket: number,
    toBucket: number,
    visit: (cell: BucketCell) => void,
  ): Promise<void> {
    const ahead = this.#ahead.get(keyOf(subject));
    if (ahead !== undefined && ahead.from <= fromBucket && toBucket <= ahead.to) {
      for (const cell of ahead.cells) if (cell.bucket >= fromBucket && cell.bucket < toBucket) visit(cell);
      return;
    }
    const kept: BucketCell[] = [];
    let keptBytes = 0;
    await this.#cells([subject], fromBucket, toBucket, ({ cell }) => {
      visit(cell);
      keptBytes += sizeOf(cell);
      if (this.#aheadBytes + keptBytes <= maxAheadBytes) kept.push(cell);
      return true;
    });
    if (this.#aheadBytes + keptBytes <= maxAheadBytes)
      this.#keep(subject, { from: fromBucket, to: toBucket, cells: kept }, keptBytes);
  }

  async *pages(domain: string, from: number, to: number): AsyncGenerator<readonly PageCount[]> {
    for (const part of this.#partsIn(from, to))
      for await (const block of this.#read(part, 'pages', { domain, from, to }, countsFrame))
        yield block.map(([url, pageviews]) => ({ url, pageviews }));
  }

  async *values(
    dimension: string,
    domain: string,
    from: number,
    to: number,
  ): AsyncGenerator<readonly ValueCount[]> {
    for (const part of this.#partsIn(from, to))
      for await (const block of this.#read(part, 'values', { dimension, domain, from, to }, countsFrame))
        yield block.map(([value, pageviews]) => ({ value, pageviews }));
  }

  domains(): AsyncIterable<string> {
    return mergeAscendingAsync(this.#parts.map((part) => this.#domainsOf(part)));
  }

  async *edges(from: Partial<Offsets> = {}): AsyncGenerator<EdgeBlock> {
    for (const part of this.#parts) {
      const { partitions } = part.answer;
      if (partitions.every(([name, { next, keptEdges }]) => keptEdges === 0 || (from[name] ?? 0) >= next))
        continue;
      for await (const [partition, next, edges] of this.#read(part, 'edges', { from }, edgesFrame))
        yield { partition, next, edges };
    }
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    for (const { worker, answer } of this.#parts) worker.release(answer.id);
  }

  async *#domainsOf(part: RemotePart): AsyncGenerator<string> {
    for await (const block of this.#read(part, 'domains', {}, domainsFrame)) yield* block;
  }

  async *#read<T>(
    { worker, answer }: RemotePart,
    ...[what, question, schema]: [string, unknown, Parameters<typeof worker.read<T>>[3]]
  ): AsyncGenerator<T> {
    try {
      yield* worker.read(answer.id, what, question, schema);
    } catch (error) {
      this.#lost(worker);
      throw error;
    }
  }

  async #fetchAhead(subjects: readonly Subject[], from: number, to: number): Promise<void> {
    const fetched = subjects.map((): { cells: BucketCell[]; bytes: number } => ({ cells: [], bytes: 0 }));
    let bytes = 0;
    let whole = subjects.length;
    await this.#cells(subjects, from, to, ({ subject, cell }) => {
      bytes += sizeOf(cell);
      if (this.#aheadBytes + bytes > maxAheadBytes) {
        whole = Math.min(whole, subject); // this subject and those after it are incomplete
        return false;
      }
      const of = fetched[subject];
      of?.cells.push(cell);
      if (of !== undefined) of.bytes += sizeOf(cell);
      return true;
    });
    for (const [i, { cells, bytes: size }] of fetched.slice(0, whole).entries()) {
      const subject = subjects[i];
      if (subject !== undefined) this.#keep(subject, { from, to, cells }, size);
    }
  }

  #isAhead(subject: Subject, from: number, to: number): boolean {
    const ahead = this.#ahead.get(keyOf(subject));
    return ahead !== undefined && ahead.from <= from && to <= ahead.to;
  }

  #keep(subject: Subject, ahead: Ahead, bytes: number): void {
    const key = keyOf(subject);
    if (this.#ahead.has(key)) return;
    this.#ahead.set(key, ahead);
    this.#aheadBytes += bytes;
  }

  /** Reads cells from all workers in parallel. @param visit returns false to stop reading from the worker */
  async #cells(
    subjects: readonly Subject[],
    from: number,
    to: number,
    visit: (sent: SentCell) => boolean,
  ): Promise<void> {
    const subjectIndexes = subjects.flatMap((subject, subjectIndex) =>
      mayHaveCells(subject) ? [subjectIndex] : [],
    );
    const asked = subjectIndexes.flatMap((subjectIndex) => subjects[subjectIndex] ?? []);
    if (asked.length === 0) return;
    const readOne = async ({ worker, answer }: RemotePart): Promise<void> => {
      try {
        for await (const frame of worker.frames(answer.id, 'cells', { subjects: asked, from, to })) {
          for (const { subject, cell } of cellsIn(frame))
            if (!visit({ subject: subjectIndexes[subject] ?? -1, cell })) return;
        }
      } catch (error) {
        this.#lost(worker);
        throw error;
      }
    };
    const outcomes = await Promise.allSettled(this.#partsIn(from, to).map(readOne));
    const failed = outcomes.find(({ status }) => status === 'rejected');
    if (failed?.status === 'rejected') throw failed.reason;
  }

  /** Parts that have any cells in these buckets. */
  #partsIn(from: number, to: number): readonly RemotePart[] {
    return this.#parts.filter(({ answer }) =>
      answer.partitions.some(
        ([, { fromBucket, toBucket }]) => from < toBucket && to > fromBucket && from < to,
      ),
    );
  }
}

function keyOf(subject: Subject): string {
  if (subject.kind === 'page') return `page ${subject.url}`;
  if (subject.kind === 'domain') return `domain ${subject.domain}`;
  return `value ${subject.dimension} ${subject.domain} ${subject.value}`;
}

/** False if the value is not in its stored spelling: then no cell can have it. */
function mayHaveCells(subject: Subject): boolean {
  return subject.kind !== 'value' || subject.value === normalizedValue(subject.value);
}
