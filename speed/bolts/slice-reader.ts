/**
 * Reads slices of the log into the columns that the speed layer needs. Records in our own encoder's form are not decoded: their texts stay
 * hashes (facts/plain-pageview.ts).
 */
import { isExclusion, type Pageview } from '../../facts/fact.js';
import { hashedFields, PlainPageview, recordsFrom } from '../../facts/plain-pageview.js';
import { decodeRecord } from '../../facts/record.js';
import { hashWords, slackBytes, type HashKernels, type KeyedHash } from '../../lib/memory/keyed-hash.js';
import type { RecordBatch } from '../../log/log.js';
import type { WaitingEdge } from '../../facts/views/view.js';
import { PageviewColumns, rowWords } from './pageview-columns.js';

/** Records [from, to) of a batch. */
export interface RecordRange {
  readonly batch: RecordBatch;
  readonly from: number;
  readonly to: number;
}

/** The content of a slice's records. */
export interface SliceRecords {
  readonly pageviews: PageviewColumns;
  /** Equiv facts and retractions, ascending by offset. */
  readonly edges: readonly WaitingEdge[];
  /** Number of exclusions and of facts that take exclusions back. */
  readonly exclusions: number;
  /** Number of records that are not valid facts of their topic, by reason. */
  readonly invalid: ReadonlyMap<string, number>;
  /** Latest `receivedAt`; -1 if there is no fact. */
  readonly lastReceivedAt: number;
}

/** Small enough that a slice's facts die young in the garbage collector, and that the event loop is not blocked for long. */
export const sliceRecords = 1_024;
/** Longer records are decoded instead, which bounds the memory for a slice whatever is in the log. */
const longestRecord = 16_384;
const usualRecordBytes = 512;
/** Layout of the memory: one row of hashes per record, then the records. */
const hashesAt = recordsFrom;

export class SliceReader {
  readonly #hash: KeyedHash;
  #kernels: HashKernels;
  #plain: PlainPageview;
  /** Word view of the whole memory. */
  #words: Int32Array;
  /** Start of each record of the slice in the memory; 0 for a record that is too long. */
  readonly #starts = new Int32Array(sliceRecords);

  constructor(hash: KeyedHash) {
    this.#hash = hash;
    this.#kernels = hash.kernels(hashesOf(sliceRecords) + sliceRecords * usualRecordBytes + slackBytes);
    this.#plain = new PlainPageview(this.#kernels);
    this.#words = new Int32Array(this.#kernels.bytes.buffer);
  }

  /** Reads at most `sliceRecords` records. */
  read({ batch, from, to }: RecordRange): SliceRecords {
    const { topic, offsets, values } = batch;
    const isOfPageviews = topic === 'pageviews';
    if (isOfPageviews) this.#load(values, from, to);
    const plain = this.#plain;
    const pageviews = new PageviewColumns(to - from);
    const invalid = new Map<string, number>();
    const edges: WaitingEdge[] = [];
    let exclusions = 0;
    let lastReceivedAt = -1;
    for (let i = from; i < to; i++) {
      const value = values[i];
      const offset = offsets[i];
      if (value === undefined || offset === undefined) break;
      const row = pageviews.length;
      const start = this.#starts[i - from] ?? 0;
      if (isOfPageviews && start > 0 && plain.read(start, start + value.length, hashesOf(row))) {
        if (plain.receivedAt > lastReceivedAt) lastReceivedAt = plain.receivedAt;
        pageviews.addPlain(offset, value, plain, start);
        continue;
      }
      const fact = decodeRecord(value, topic);
      if (fact.type === 'invalid') {
        invalid.set(fact.reason, (invalid.get(fact.reason) ?? 0) + 1);
        continue;
      }
      if (fact.receivedAt > lastReceivedAt) lastReceivedAt = fact.receivedAt;
      if (fact.type === 'pageview') {
        pageviews.add(offset, value, fact);
        this.#putHashes(fact, row);
      } else if (isExclusion(fact)) exclusions++;
      else edges.push({ ...fact, offset });
    }
    const hashes = hashesAt / 4;
    pageviews.hashes = this.#words.slice(hashes, hashes + rowWords * pageviews.length);
    return { pageviews, edges, exclusions, invalid, lastReceivedAt };
  }

  /** Copies the records into the memory. Records that are adjacent, as the log reads them, are copied together. */
  #load(values: readonly Uint8Array[], from: number, to: number): void {
    const starts = this.#starts;
    let end = hashesOf(to - from);
    for (let i = from; i < to; i++) {
      const length = values[i]?.length ?? 0;
      starts[i - from] = length > longestRecord ? 0 : end;
      if (length <= longestRecord) end += length;
    }
    this.#reserve(end + slackBytes);
    const { bytes } = this.#kernels;
    for (let i = from; i < to;) {
      const first = values[i];
      const start = starts[i - from] ?? 0;
      i++;
      if (first === undefined || start === 0) continue;
      let length = first.length;
      for (; i < to; i++) {
        const next = values[i];
        const follows =
          next?.buffer === first.buffer &&
          next.byteOffset === first.byteOffset + length &&
          starts[i - from] === start + length;
        if (!follows) break;
        length += next.length;
      }
      bytes.set(new Uint8Array(first.buffer, first.byteOffset, length), start);
    }
  }

  #putHashes(fact: Pageview, row: number): void {
    let out = hashesOf(row) / 4;
    for (const field of hashedFields) {
      this.#hash.text(fact[field] ?? '');
      this.#words.set(this.#hash.words, out);
      out += hashWords;
    }
  }

  #reserve(bytes: number): void {
    if (bytes <= this.#kernels.bytes.length) return;
    this.#kernels = this.#hash.kernels(2 * bytes);
    this.#plain = new PlainPageview(this.#kernels);
    this.#words = new Int32Array(this.#kernels.bytes.buffer);
  }
}

function hashesOf(row: number): number {
  return hashesAt + row * rowWords * 4;
}
