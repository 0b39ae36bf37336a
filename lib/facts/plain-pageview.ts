/**
 * Reads a pageview's record without making anything of it: no object, no string. Most records are exactly what our own
 * encoder writes of a fact that has passed the door: JSON with the fields in a fixed order, printable ASCII, no escapes.
 * Of such a record this finds times and hashes of the texts in one pass over the bytes, four times as fast as
 * JSON.parse. Any other record is refused, and is for `decodeRecord`.
 */
import { StringHash, hashOf } from '../hash/string-hash.js';
import { timeEnd, timeStart } from './fact.js';
import { mayEndNobody } from './placeholders.js';

const quote = 0x22;
const zero = 0x30;
const brace = 0x7d;
const longestId = 256;
const longestTime = String(timeEnd - 1).length;

/** A piece of text to be expected, by words of four bytes; the last one may lie over the one before. */
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

  /** Whether it stands at `at`; all of it must lie in the view. */
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
/** Texts that are passed over, in this order. */
const otherLabels = ['referrer', 'country', 'importId'].map((field) => new Label(`,"${field}":"`));

/** Where a text lies in the record, and its `StringHash`. */
export class TextSpan {
  from = 0;
  to = 0;
  hi = 0;
  lo = 0;
}

export class PlainPageview {
  /** As in the record that was read last, UTC ms. */
  timestamp = 0;
  receivedAt = 0;
  readonly visitor = new TextSpan();
  readonly url = new TextSpan();
  readonly eventId = new TextSpan();
  /** The empty text when the record has none. */
  readonly userAgent = new TextSpan();
  readonly #other = new TextSpan();
  readonly #hash = new StringHash();
  /** Of the memory that the record lies in; records that were read together lie in the same. */
  #view: DataView = new DataView(new ArrayBuffer(0));
  /** Where the record begins and ends, and how far it has been read. */
  #start = 0;
  #end = 0;
  #at = 0;

  /**
   * True when the record is plain; then the fields above are those of the very fact that `decodeRecord` makes of it.
   * False says nothing about the record.
   */
  read(bytes: Uint8Array): boolean {
    const { buffer, byteOffset, length } = bytes;
    if (this.#view.buffer !== buffer) this.#view = new DataView(buffer);
    this.#start = byteOffset;
    this.#end = byteOffset + length;
    this.#at = byteOffset;
    if (!this.#skip(head) || !this.#text(this.visitor) || isNoId(this.visitor)) return false;
    if (this.#mayBeNobody(this.visitor)) return false;
    if (!this.#skip(urlLabel) || !this.#text(this.url) || !this.#skip(timestampLabel)) return false;
    this.timestamp = this.#time();
    if (!this.#skip(eventIdLabel) || !this.#text(this.eventId) || isNoId(this.eventId)) return false;
    if (!this.#skip(receivedAtLabel)) return false;
    this.receivedAt = this.#time();
    if (this.timestamp < timeStart || this.receivedAt < 0) return false;
    this.#clear(this.userAgent);
    if (this.#skip(userAgentLabel) && !(this.#text(this.userAgent) && this.#skipQuote())) return false;
    for (const label of otherLabels)
      if (this.#skip(label) && !(this.#text(this.#other) && this.#skipQuote())) return false;
    return this.#at === this.#end - 1 && this.#view.getUint8(this.#at) === brace;
  }

  /** True for one id in a hundred, which is left to `decodeRecord`. */
  #mayBeNobody({ from, to }: TextSpan): boolean {
    const end = this.#start + to; // three bytes of the record lie before its first text
    const view = this.#view;
    return (
      to - from < 3 || mayEndNobody(view.getUint8(end - 3), view.getUint8(end - 2), view.getUint8(end - 1))
    );
  }

  /** Passes over what is expected; false, and nothing passed over, when something else is there. */
  #skip(expected: Label): boolean {
    if (this.#at + expected.length > this.#end || !expected.isAt(this.#view, this.#at)) return false;
    this.#at += expected.length;
    return true;
  }

  #skipQuote(): boolean {
    this.#at++; // `#text` has seen it there
    return true;
  }

  /** Stops before the quote that ends the text. */
  #text(span: TextSpan): boolean {
    const from = this.#at;
    const to = this.#hash.ofPlain(this.#view, from, this.#end, quote);
    if (to < 0) return false;
    span.from = from - this.#start;
    span.to = to - this.#start;
    span.hi = this.#hash.hi;
    span.lo = this.#hash.lo;
    this.#at = to;
    return true;
  }

  #clear(span: TextSpan): void {
    span.from = this.#at - this.#start;
    span.to = span.from;
    span.hi = emptyText.hi;
    span.lo = emptyText.lo;
  }

  /** A whole number without sign or leading zeros; -1 for anything else. */
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

const emptyText = hashOf('');

function isNoId({ from, to }: TextSpan): boolean {
  return to === from || to - from > longestId;
}
