/**
 * A cursor over Kafka that checks its position itself. The client underneath may restart, rejoin, reset to the first
 * offset or deliver something twice, so every batch is compared with the offset expected next:
 *
 *   entirely below           redelivery: set the position again
 *   partly below             drop the overlap
 *   a gap before it          set the position again. Control records are not a gap: a fetch from their offset returns
 *                            them. A persistent gap is an error: nothing is skipped silently
 *   range begins beyond us   `log.out-of-range`
 *   log ends below us        `log.mismatch`
 *
 * last-seen.ts checks that the records still belong to the log that was read before; if not, `log.mismatch`.
 *
 * A client that ends, or delivers nothing although records are waiting, is restarted; after three restarts in a row the
 * reader fails.
 */
import { SwaError } from '../../lib/errors/errors.js';
import { offsetAt } from '../cut.js';
import {
  offset,
  parsePartitionName,
  type LogReader,
  type Offset,
  type Offsets,
  type PartitionName,
  type ReadOptions,
  type RecordBatch,
} from '../log.js';
import type { KafkaBatch, OffsetRange, Position, Subscriber, Subscription } from './client.js';
import { LastSeen } from './last-seen.js';

/** What the reader needs from the client. */
export interface Source {
  subscribe(subscriber: Subscriber): Promise<Subscription>;
  /** Returns the ranges by partition number. */
  offsets(topic: string): Promise<readonly OffsetRange[]>;
  /** Maps a partition to the broker's topic, and back. */
  topicOf(name: PartitionName): string;
  nameOf(topic: string, partition: number): PartitionName;
}

export interface FenceOptions {
  /** How long records may wait before a silent client is restarted. */
  readonly silentMs: number;
  /** Buffer limits in records and bytes; the client pauses while either is exceeded. */
  readonly bufferedRecords: number;
  readonly bufferedBytes: number;
}

const aliveMs = 2000;
const maxRestarts = 3;
const maxGaps = 20;

export class FencedReader implements LogReader {
  readonly #source: Source;
  readonly #options: FenceOptions;
  /** Next offset expected, by partition. */
  readonly #arriving = new Map<PartitionName, number>();
  readonly #lastSeen = new LastSeen();
  /** Number of consecutive gaps, by partition. */
  readonly #gaps = new Map<PartitionName, number>();
  #ready: RecordBatch[] = [];
  #readyRecords = 0;
  #readyBytes = 0;
  #subscription: Subscription | undefined;
  #watchdog: NodeJS.Timeout | undefined;
  #lastArrival = performance.now();
  #restarts = 0;
  #taking = false;
  #starting = false;
  /** Why the client ended; undefined once it has been restarted. */
  #ended: SwaError | undefined;
  #failure: SwaError | undefined;
  #closed = false;
  #wakeReader: () => void = () => undefined;
  #wakeClient: () => void = () => undefined;

  constructor(source: Source, from: Partial<Offsets>, options: FenceOptions) {
    this.#source = source;
    this.#options = options;
    for (const name of Object.keys(from) as PartitionName[]) this.#arriving.set(name, offsetAt(from, name));
  }

  /** Starts the client. Throws `log.out-of-range`, `log.mismatch`, `log.unavailable`. */
  async start(): Promise<void> {
    for (const name of this.#arriving.keys()) await this.#checkRange(name);
    this.#starting = true;
    try {
      this.#subscription = await this.#source.subscribe(this.#subscriber());
    } finally {
      this.#starting = false;
    }
    this.#lastArrival = performance.now();
    this.#watchdog = setInterval(() => void this.#watch(), this.#options.silentMs / 4);
    this.#watchdog.unref();
    await this.#restartIfEnded();
  }

  async next({ maxRecords, timeoutMs, signal }: ReadOptions): Promise<readonly RecordBatch[]> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      if (this.#closed) throw new SwaError('log.closed', 'cannot read: this reader is closed');
      if (this.#ready.length > 0) return this.#takeReady(maxRecords);
      if (this.#failure !== undefined) throw this.#failure;
      const leftMs = deadline - performance.now();
      if (leftMs <= 0 || signal?.aborted === true) return [];
      await this.#wait(leftMs, signal);
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#watchdog);
    this.#wakeReader();
    this.#wakeClient();
    await this.#subscription?.stop();
  }

  #subscriber(): Subscriber {
    return {
      joined: () => {
        // A recreated topic may be empty and deliver nothing to compare, so check its range.
        for (const name of this.#lastSeen.doubtAll()) void this.#checkRangeOrFail(name);
      },
      positions: () => [...this.#arriving.keys()].map((name) => this.#position(name)),
      fetching: () => (this.#taking ? [] : this.#lastSeen.doubtSlow().map((name) => this.#position(name))),
      take: (batch, alive) => this.#take(batch, alive),
      failed: (error) => {
        if (error.code === 'log.corrupt') return this.#fail(this.#undecodable(error));
        this.#ended = error;
        void this.#restartIfEnded();
      },
    };
  }

  #undecodable(cause: SwaError): SwaError {
    const positions = [...this.#arriving].map(([name, at]) => `${name} at ${at}`).join(', ');
    return new SwaError('log.corrupt', `${cause.message} (reading ${positions})`, {
      cause,
      hint: 'see "Records that cannot be decoded" in docs/operations.md',
    });
  }

  /** The position to fetch from: the last record read if it must be checked, else the one after it. */
  #position(name: PartitionName): Position {
    const next = this.#arriving.get(name) ?? 0;
    const at = this.#lastSeen.isDoubted(name) ? (this.#lastSeen.offsetOf(name) ?? next) : next;
    return { topic: this.#source.topicOf(name), partition: parsePartitionName(name).partition, offset: at };
  }

  async #take(batch: KafkaBatch, alive: () => Promise<void>): Promise<'taken' | 'again'> {
    this.#taking = true;
    try {
      const answer = await this.#arrive(batch);
      if (answer === 'again') return answer;
      while (this.#isFull && !this.#closed) {
        await this.#room();
        await alive();
      }
      return answer;
    } finally {
      this.#taking = false;
    }
  }

  async #arrive(batch: KafkaBatch): Promise<'taken' | 'again'> {
    if (this.#closed || this.#failure !== undefined) return 'again';
    const name = this.#source.nameOf(batch.topic, batch.partition);
    if (!this.#arriving.has(name)) return 'taken'; // not one of our partitions
    const isDoubted = this.#lastSeen.isDoubted(name);
    if (isDoubted && !(await this.#settle(name, batch))) return 'again';
    const expected = this.#arriving.get(name) ?? 0;
    if (isDoubted && batch.nextOffset === expected) return 'taken'; // no new records after the last one
    if (batch.nextOffset <= expected || batch.firstOffset > expected) {
      await this.#checkRangeOrFail(name);
      if (batch.firstOffset > expected) this.#countGap(name, expected, batch.firstOffset);
      return 'again';
    }
    if (!isDoubted && this.#lastSeen.isLate(name)) {
      this.#lastSeen.hold(name, batch);
      return 'again';
    }
    this.#accept(name, batch);
    return 'taken';
  }

  #accept(name: PartitionName, batch: KafkaBatch): void {
    const expected = this.#arriving.get(name) ?? 0;
    this.#gaps.delete(name);
    this.#lastArrival = performance.now();
    this.#restarts = 0;
    this.#arriving.set(name, batch.nextOffset);
    this.#lastSeen.remember(name, batch);
    this.#keep(name, expected, batch);
  }

  /**
   * Compares the batch with the last record read, and accepts a held batch if it matches. Returns false if this batch
   * does not settle the doubt.
   */
  async #settle(name: PartitionName, batch: KafkaBatch): Promise<boolean> {
    const verdict = this.#lastSeen.verdict(name, batch);
    const at = this.#lastSeen.offsetOf(name) ?? 0;
    if (verdict === 'other') {
      this.#fail(topicRecreated(name, at));
      return false;
    }
    if (verdict !== 'same') {
      const range = await this.#checkRangeOrFail(name);
      const isDropped = range !== undefined && range.low > at; // by retention: there is nothing left to compare
      if (!isDropped && verdict === 'behind') this.#countGap(name, at, batch.firstOffset);
      if (!isDropped) return false;
    }
    const held = this.#lastSeen.settle(name);
    if (held !== undefined) this.#accept(name, held);
    return true;
  }

  get #isFull(): boolean {
    const { bufferedRecords, bufferedBytes } = this.#options;
    return this.#readyRecords > bufferedRecords || this.#readyBytes > bufferedBytes;
  }

  #countGap(name: PartitionName, expected: number, first: number): void {
    const count = (this.#gaps.get(name) ?? 0) + 1;
    this.#gaps.set(name, count);
    if (count < maxGaps) return;
    this.#fail(
      new SwaError(
        'log.corrupt',
        `Kafka skipped records of ${name}: expected offset ${expected}, got ${first}`,
        {
          hint: 'records are missing inside the retained range of the topic: check the broker; nothing was skipped',
        },
      ),
    );
  }

  /** Buffers the new part of the batch. */
  #keep(name: PartitionName, expected: number, batch: KafkaBatch): void {
    let from = 0;
    while (from < batch.offsets.length && (batch.offsets[from] ?? 0) < expected) from++;
    const values = from === 0 ? batch.values : batch.values.slice(from);
    this.#ready.push({
      ...parsePartitionName(name),
      name,
      offsets: (from === 0 ? batch.offsets : batch.offsets.slice(from)) as Offset[], // checked by the client
      values,
      nextOffset: offset(batch.nextOffset),
    });
    this.#readyRecords += values.length;
    this.#readyBytes += bytesOf(values);
    this.#wakeReader();
  }

  #takeReady(maxRecords: number): RecordBatch[] {
    const taken: RecordBatch[] = [];
    let left = maxRecords;
    while (left > 0) {
      const batch = this.#ready.shift();
      if (batch === undefined) break;
      if (batch.offsets.length <= left) taken.push(batch);
      else {
        const [head, rest] = split(batch, left);
        taken.push(head);
        this.#ready.unshift(rest);
      }
      left -= Math.min(left, batch.offsets.length);
    }
    this.#readyRecords -= maxRecords - left;
    for (const { values } of taken) this.#readyBytes -= bytesOf(values);
    this.#wakeClient();
    return taken;
  }

  async #wait(leftMs: number, signal: AbortSignal | undefined): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(finish, leftMs);
      function finish(): void {
        clearTimeout(timer);
        signal?.removeEventListener('abort', finish);
        resolve();
      }
      signal?.addEventListener('abort', finish);
      this.#wakeReader = finish;
    });
  }

  /** Waits until the buffer has been read from, at most as long as the client may go without a sign of life. */
  async #room(): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, aliveMs);
      this.#wakeClient = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Returns the broker's range of a partition. Throws if our position is outside it. */
  async #checkRange(name: PartitionName): Promise<OffsetRange> {
    const { partition } = parsePartitionName(name);
    const range = (await this.#source.offsets(this.#source.topicOf(name)))[partition];
    const at = this.#arriving.get(name) ?? 0;
    if (range === undefined || range.high < at) {
      throw new SwaError(
        'log.mismatch',
        `cannot read ${name} from offset ${at}: the log ends at ${range?.high ?? 'no such partition'}`,
        {
          hint: 'the topic lost records or was recreated: restore it, or start with a fresh data directory',
        },
      );
    }
    if (range.low > at) {
      throw new SwaError(
        'log.out-of-range',
        `cannot read ${name} from offset ${at}: the log begins at ${range.low}`,
        {
          hint: 'retention dropped records before they were read; `swa recover --skip-gap` continues after them',
        },
      );
    }
    return range;
  }

  /**
   * Like `#checkRange`, while reading: a position outside the range fails this reader; if the broker does not answer,
   * the next check decides.
   */
  async #checkRangeOrFail(name: PartitionName): Promise<OffsetRange | undefined> {
    try {
      return await this.#checkRange(name);
    } catch (error) {
      if (!(error instanceof SwaError)) throw error;
      if (error.code !== 'log.unavailable') this.#fail(error);
      return undefined;
    }
  }

  #fail(error: SwaError): void {
    this.#failure ??= error;
    clearInterval(this.#watchdog);
    this.#wakeReader();
  }

  /** Checks whether records are waiting that the client does not deliver, and then restarts it. */
  async #watch(): Promise<void> {
    const silentForMs = performance.now() - this.#lastArrival;
    if (this.#closed || this.#readyRecords > 0 || silentForMs < this.#options.silentMs) return;
    this.#lastArrival = performance.now(); // check once per period of silence
    let waiting = 0;
    for (const [name, at] of this.#arriving) {
      const range = await this.#checkRangeOrFail(name);
      if (range === undefined) return;
      waiting += Math.max(0, range.stable - at); // records behind an open transaction are not delivered
    }
    if (waiting > 0 && performance.now() - this.#lastArrival < this.#options.silentMs)
      await this.#restart('delivers nothing although records wait for it');
  }

  async #restart(why: string, cause?: SwaError): Promise<void> {
    if (this.#closed || this.#starting) return;
    if (++this.#restarts > maxRestarts) {
      this.#fail(
        new SwaError('log.unavailable', `the Kafka consumer ${why}`, {
          cause,
          hint: 'restart this process; its position is kept',
        }),
      );
      return;
    }
    this.#starting = true;
    this.#ended = undefined;
    const old = this.#subscription;
    this.#subscription = undefined;
    try {
      await old?.stop();
      const fresh = await this.#source.subscribe(this.#subscriber());
      if (this.#closed) await fresh.stop();
      else this.#subscription = fresh;
    } catch (error) {
      if (!(error instanceof SwaError)) throw error; // the next check tries again
    } finally {
      this.#starting = false;
    }
    await this.#restartIfEnded(); // it may have ended while it started
  }

  async #restartIfEnded(): Promise<void> {
    const error = this.#ended;
    if (error !== undefined) await this.#restart(`keeps failing: ${error.message}`, error);
  }
}

/** The error for a log that is not the one that was read before. */
export function topicRecreated(name: PartitionName, at: number): SwaError {
  return new SwaError(
    'log.mismatch',
    `the record at offset ${at} of ${name} is not the one that was read before`,
    {
      hint: 'the topic was deleted and recreated: see "A topic that was deleted" in docs/operations.md',
    },
  );
}

function bytesOf(values: readonly Uint8Array[]): number {
  return values.reduce((sum, value) => sum + value.length, 0);
}

function split(batch: RecordBatch, count: number): [RecordBatch, RecordBatch] {
  const rest = { ...batch, offsets: batch.offsets.slice(count), values: batch.values.slice(count) };
  const head = {
    ...batch,
    offsets: batch.offsets.slice(0, count),
    values: batch.values.slice(0, count),
    nextOffset: rest.offsets[0] ?? batch.nextOffset,
  };
  return [head, rest];
}
