/**
 * Parses pageview records without creating objects or strings. Most records are exactly what our own encoder writes for a fact accepted by the
 * door: JSON with fields in a fixed order, printable ASCII, no escapes. This parser reads their times and the keyed hashes of their texts in one
 * pass over the bytes, four times as fast as JSON.parse. It refuses all other records, which `decodeRecord` handles.
 */
import { hashBytes, hashWords, reservedBytes, type HashKernels } from '../lib/memory/keyed-hash.js';
import { timeEnd, timeStart } from './fact.js';
import { mayEndPlaceholder } from './placeholders.js';

const zero = 0x30;
const brace = 0x7d;
const longestId = 256;
const longestTime = String(timeEnd - 1).length;

/** An expected text, compared as 4-byte words; the last word may overlap the one before. */
class Label {
  readonly length: number;
  readonly #words: readonly number[];

  constructor(text: string) {
    const bytes = Buffer.from(text);
    this.length = bytes.length;
    this.#words = Array.from({ length: Math.ceil(bytes.length / 4) }, (_, i) =>
      bytes.readInt32LE(Math.min(4 * i, bytes.length - 4)),
    );
  }

  /** Whether the text is at offset `at`; all of it must be within the view. */
  isAt(view: DataView, at: number): boolean {
    const words = this.#words;
    const last = words.length - 1;
    for (let i = 0; i < last; i++) if (view.getInt32(at + 4 * i, true) !== words[i]) return false;
    return view.getInt32(at + this.length - 4, true) === words[last];
  }
}

const head = new Label('{"type":"pageview","visitor":"');
const urlLabel = new Label('","url":"');
const timestampLabel = new Label('","timestamp":');
const eventIdLabel = new Label(',"eventId":"');
const receivedAtLabel = new Label('","receivedAt":');
const userAgentLabel = new Label(',"userAgent":"');
const referrerLabel = new Label(',"referrer":"');
const countryLabel = new Label(',"country":"');
const importIdLabel = new Label(',"importId":"');

/** Position of a text in the memory that contains the record. */
export class TextSpan {
  from = 0;
  to = 0;
}

/** Fields that are hashed, in the order of their hashes. A missing text has the hash of the empty text. */
export const hashedFields = [
  'url',
  'userAgent',
  'referrer',
  'country',
  'importId',
  'eventId',
  'visitor',
] as const;

const urlHash = hashBytes * hashedFields.indexOf('url');
const agentHash = hashBytes * hashedFields.indexOf('userAgent');
const referrerHash = hashBytes * hashedFields.indexOf('referrer');
const countryHash = hashBytes * hashedFields.indexOf('country');
const importIdHash = hashBytes * hashedFields.indexOf('importId');
const eventIdHash = hashBytes * hashedFields.indexOf('eventId');
const visitorHash = hashBytes * hashedFields.indexOf('visitor');

/** Records may be stored from this offset on in the memory of the kernels; the bytes before are scratch space. */
export const recordsFrom = reservedBytes + hashBytes;

export class PlainPageview {
  /** Times of the record that was read last, UTC ms. */
  timestamp = 0;
  receivedAt = 0;
  readonly visitor = new TextSpan();
  readonly url = new TextSpan();
  readonly eventId = new TextSpan();
  /** Optional fields: empty spans when the record has none. */
  readonly userAgent = new TextSpan();
  readonly referrer = new TextSpan();
  readonly country = new TextSpan();
  readonly importId = new TextSpan();
  readonly #kernels: HashKernels;
  readonly #view: DataView;
  readonly #words: Int32Array;
  readonly #emptyHash: Int32Array;
  #end = 0;
  #at = 0;

  /** @param kernels memory that contains the records, with slack after them */
  constructor(kernels: HashKernels) {
    this.#kernels = kernels;
    this.#view = new DataView(kernels.bytes.buffer);
    this.#words = new Int32Array(kernels.bytes.buffer);
    kernels.hash(reservedBytes, 0, reservedBytes);
    this.#emptyHash = this.#words.slice(reservedBytes / 4, reservedBytes / 4 + hashWords);
  }

  /**
   * Parses the record at [from, to) of the memory, and writes the hashes of `hashedFields` in order at `out`, a multiple of 4. Returns true if
   * the record is plain: the fields above then equal those of the fact that `decodeRecord` makes. False says nothing about the record.
   */
  read(from: number, to: number, out: number): boolean {
    this.#end = to;
    this.#at = from;
    if (!this.#skip(head) || !this.#text(this.visitor, out + visitorHash) || isNoId(this.visitor))
      return false;
    if (this.#mayBeNobody(this.visitor)) return false;
    if (!this.#skip(urlLabel) || !this.#text(this.url, out + urlHash)) return false;
    if (!this.#skip(timestampLabel)) return false;
    this.timestamp = this.#time();
    if (!this.#skip(eventIdLabel) || !this.#text(this.eventId, out + eventIdHash)) return false;
    if (isNoId(this.eventId) || !this.#skip(receivedAtLabel)) return false;
    this.receivedAt = this.#time();
    if (this.timestamp < timeStart || this.receivedAt < 0) return false;
    const isPlain =
      this.#optionalText(userAgentLabel, this.userAgent, out + agentHash) &&
      this.#optionalText(referrerLabel, this.referrer, out + referrerHash) &&
      this.#optionalText(countryLabel, this.country, out + countryHash) &&
      this.#optionalText(importIdLabel, this.importId, out + importIdHash);
    if (!isPlain) return false;
    return this.#at === this.#end - 1 && this.#view.getUint8(this.#at) === brace;
  }

  /** True for about 1 % of ids, which are left to `decodeRecord`. */
  #mayBeNobody({ from, to }: TextSpan): boolean {
    const view = this.#view;
    return (
      to - from < 3 || mayEndPlaceholder(view.getUint8(to - 3), view.getUint8(to - 2), view.getUint8(to - 1))
    );
  }

  /** Advances over the expected text; returns false without advancing if something else is there. */
  #skip(expected: Label): boolean {
    if (this.#at + expected.length > this.#end || !expected.isAt(this.#view, this.#at)) return false;
    this.#at += expected.length;
    return true;
  }

  /** False if the field is present but not plain. */
  #optionalText(label: Label, span: TextSpan, out: number): boolean {
    if (!this.#skip(label)) {
      this.#clear(span, out);
      return true;
    }
    if (!this.#text(span, out)) return false;
    this.#at++; // the closing quote, which `#text` found
    return true;
  }

  /** Reads a text up to its closing quote, without consuming the quote. */
  #text(span: TextSpan, out: number): boolean {
    const to = this.#kernels.hashQuoted(this.#at, this.#end, out);
    if (to < 0) return false;
    span.from = this.#at;
    span.to = to;
    this.#at = to;
    return true;
  }

  #clear(span: TextSpan, out: number): void {
    span.from = this.#at;
    span.to = this.#at;
    const words = this.#words;
    const emptyHash = this.#emptyHash;
    for (let i = 0; i < hashWords; i++) words[out / 4 + i] = emptyHash[i] ?? 0;
  }

  /** Reads an integer without sign or leading zeros; -1 for anything else. */
  #time(): number {
    const view = this.#view;
    const from = this.#at;
    const end = Math.min(this.#end, from + longestTime + 1);
    let at = from;
    let value = 0;
    for (; at < end; at++) {
      const digit = view.getUint8(at) - zero;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
    }
    this.#at = at;
    const digits = at - from;
    const isWell = digits > 0 && digits <= longestTime && (digits === 1 || view.getUint8(from) !== zero);
    return isWell ? value : -1;
  }
}

function isNoId({ from, to }: TextSpan): boolean {
  return to === from || to - from > longestId;
}
