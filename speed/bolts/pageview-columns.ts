/**
 * The pageviews of a slice in columns: offsets, times, and hashes of the texts. Most texts are found in caches by their hash, so no strings are
 * made of them; for the others, the text is read from the record.
 */
import type { Pageview } from '../../facts/fact.js';
import { hashedFields, type PlainPageview } from '../../facts/plain-pageview.js';
import { decodeRecord } from '../../facts/record.js';
import { hashWords } from '../../lib/memory/keyed-hash.js';
import type { Offset } from '../../log/log.js';

/** The hashes of a pageview: those of its texts, then that of its page, which is filled in once the page is known. */
const rowHashes = [...hashedFields, 'page'] as const;
export const rowWords = hashWords * rowHashes.length;

/** Index of each hash in the `rowWords` words of a row. */
export const hashAt = {
  url: hashWords * rowHashes.indexOf('url'),
  userAgent: hashWords * rowHashes.indexOf('userAgent'),
  referrer: hashWords * rowHashes.indexOf('referrer'),
  country: hashWords * rowHashes.indexOf('country'),
  importId: hashWords * rowHashes.indexOf('importId'),
  eventId: hashWords * rowHashes.indexOf('eventId'),
  visitor: hashWords * rowHashes.indexOf('visitor'),
  page: hashWords * rowHashes.indexOf('page'),
};

/** Spans of texts within their record: words per row of `#spans`, and the index of each field's span in a row. */
const spanWords = 12;
const spanAt = { visitor: 0, url: 2, userAgent: 4, referrer: 6, country: 8, importId: 10 };

export class PageviewColumns {
  readonly timestamps: Float64Array;
  readonly offsets: Offset[] = [];
  /** `rowWords` words per pageview. */
  hashes = new Int32Array(0);
  readonly #records: Uint8Array[] = [];
  /** All 0 for a record that must be decoded. */
  readonly #spans: Int32Array;

  constructor(capacity: number) {
    this.timestamps = new Float64Array(capacity);
    this.#spans = new Int32Array(spanWords * capacity);
  }

  get length(): number {
    return this.#records.length;
  }

  /** Adds a pageview just parsed from the record, whose bytes began at `start` in the parser's memory. */
  addPlain(offset: Offset, record: Uint8Array, plain: PlainPageview, start: number): void {
    const { timestamp, visitor, url, userAgent, referrer, country, importId } = plain;
    const row = this.#add(offset, record, timestamp);
    const spans = this.#spans;
    const from = spanWords * row;
    spans[from] = visitor.from - start;
    spans[from + 1] = visitor.to - start;
    spans[from + 2] = url.from - start;
    spans[from + 3] = url.to - start;
    spans[from + 4] = userAgent.from - start;
    spans[from + 5] = userAgent.to - start;
    spans[from + 6] = referrer.from - start;
    spans[from + 7] = referrer.to - start;
    spans[from + 8] = country.from - start;
    spans[from + 9] = country.to - start;
    spans[from + 10] = importId.from - start;
    spans[from + 11] = importId.to - start;
  }

  /** Adds a pageview that was decoded from the record. */
  add(offset: Offset, record: Uint8Array, { timestamp }: Pageview): void {
    this.#add(offset, record, timestamp);
  }

  /** The text of a field; '' if there is none. */
  text(row: number, field: keyof typeof spanAt): string {
    const { buffer, byteOffset, byteLength } = this.#records[row] ?? noBytes;
    const record = Buffer.from(buffer, byteOffset, byteLength);
    const span = spanWords * row + spanAt[field];
    const to = this.#spans[span + 1] ?? 0;
    if (to > 0) return record.toString('latin1', this.#spans[span], to); // plain records are ASCII
    const fact = decodeRecord(record, 'pageviews');
    return fact.type === 'pageview' ? (fact[field] ?? '') : '';
  }

  #add(offset: Offset, record: Uint8Array, timestamp: number): number {
    const row = this.#records.push(record) - 1;
    this.offsets.push(offset);
    this.timestamps[row] = timestamp;
    return row;
  }
}

const noBytes = new Uint8Array(0);
