/**
 * The pageviews of a slice by columns: times, and the hashes of the texts. What a hash stands for is
 * mostly known already, so no string is made of it; when it is not, the record has the text.
 */
import type { Pageview } from '../lib/facts/fact.js';
import type { PlainPageview, TextSpan } from '../lib/facts/plain-pageview.js';
import { decodeRecord } from '../lib/facts/record.js';
import { hashOf } from '../lib/hash/string-hash.js';

type TextField = 'visitor' | 'url' | 'eventId' | 'userAgent';

/** One text of each pageview: its hash, and where it lies in the record. */
class TextColumn {
  readonly hi: Int32Array;
  readonly lo: Int32Array;
  readonly #field: TextField;
  readonly #records: readonly Uint8Array[];
  readonly #from: Int32Array;
  /** 0 where the record must be decoded. */
  readonly #to: Int32Array;

  constructor(field: TextField, records: readonly Uint8Array[], capacity: number) {
    this.#field = field;
    this.#records = records;
    const words = new Int32Array(4 * capacity);
    this.hi = words.subarray(0, capacity);
    this.lo = words.subarray(capacity, 2 * capacity);
    this.#from = words.subarray(2 * capacity, 3 * capacity);
    this.#to = words.subarray(3 * capacity);
  }

  setPlain(row: number, { hi, lo, from, to }: TextSpan): void {
    this.hi[row] = hi;
    this.lo[row] = lo;
    this.#from[row] = from;
    this.#to[row] = to;
  }

  set(row: number, text: string): void {
    const { hi, lo } = hashOf(text);
    this.hi[row] = hi;
    this.lo[row] = lo;
  }

  /** '' for none. */
  text(row: number): string {
    const { buffer, byteOffset, byteLength } = this.#records[row] ?? noBytes;
    const to = this.#to[row] ?? 0;
    const record = Buffer.from(buffer, byteOffset, byteLength);
    if (to > 0) return record.toString('latin1', this.#from[row], to); // ASCII
    const fact = decodeRecord(record, 'pageviews');
    return fact.type === 'pageview' ? (fact[this.#field] ?? '') : '';
  }
}

const noBytes = new Uint8Array(0);

export class PageviewColumns {
  readonly timestamps: Float64Array;
  readonly visitors: TextColumn;
  readonly urls: TextColumn;
  readonly eventIds: TextColumn;
  readonly userAgents: TextColumn;
  readonly #records: Uint8Array[] = [];

  constructor(capacity: number) {
    this.timestamps = new Float64Array(capacity);
    this.visitors = new TextColumn('visitor', this.#records, capacity);
    this.urls = new TextColumn('url', this.#records, capacity);
    this.eventIds = new TextColumn('eventId', this.#records, capacity);
    this.userAgents = new TextColumn('userAgent', this.#records, capacity);
  }

  get length(): number {
    return this.#records.length;
  }

  /** A pageview as it was just read from the record. */
  addPlain(record: Uint8Array, { timestamp, visitor, url, eventId, userAgent }: PlainPageview): void {
    const row = this.#records.push(record) - 1;
    this.timestamps[row] = timestamp;
    this.visitors.setPlain(row, visitor);
    this.urls.setPlain(row, url);
    this.eventIds.setPlain(row, eventId);
    this.userAgents.setPlain(row, userAgent);
  }

  /** A pageview decoded from the record. */
  add(record: Uint8Array, { timestamp, visitor, url, eventId, userAgent = '' }: Pageview): void {
    const row = this.#records.push(record) - 1;
    this.timestamps[row] = timestamp;
    this.visitors.set(row, visitor);
    this.urls.set(row, url);
    this.eventIds.set(row, eventId);
    this.userAgents.set(row, userAgent);
  }
}
