/**
 * Splits lines of text formats with a fixed order of fields, compiled from the notation in which servers are configured: `"%r" %>s` is a quoted
 * request, a space and a status. A field ends where the text that follows it in the format begins. A quoted field may contain escaped quotes, and
 * may be `-` without quotes. A space matches several spaces. Text after the last field is not read, because many servers add fields there.
 */
import { refused, type Refusal } from './request.js';

/** Meanings of fields; `ignored` fields are skipped. */
export const fields = [
  'address',
  'forwardedFor',
  'ident',
  'user',
  'time', // parsed by the format's `ReadTime`
  'date',
  'timeOfDay',
  'zone',
  'request',
  'method',
  'target',
  'path',
  'query',
  'status',
  'host', // the client's Host header, perhaps with a port
  'server', // the server's own name, perhaps with a port
  'port',
  'scheme',
  'referrer',
  'userAgent',
  'eventId',
  'country',
  'ignored',
] as const;
export type Field = (typeof fields)[number];

export interface ShapeField {
  readonly field: Field;
  /** How the field is enclosed in the line. */
  readonly style: 'plain' | 'quoted' | 'bracketed';
  /** Text before the field, without its opening quote or bracket. */
  readonly before: string;
  /** Number of spaces in a plain field: a request has two, a time may have one. */
  readonly blanks?: number;
  /** Name of the field in messages: `status`, `field %{X-Thing}i`. */
  readonly title: string;
}

export interface ShapeOptions {
  /** Index of a field before which a line may end: 7 in combined, where the common format ends. */
  readonly mayEndBefore?: number;
  /** Text after the last field. */
  readonly after?: string;
  /** What may follow the last field and a space; by default anything. */
  readonly tail?: 'anything' | 'no quotes';
}

export class TextShape {
  readonly fields: readonly ShapeField[];
  readonly #options: ShapeOptions;
  readonly #texts: string[];
  readonly #stops: readonly string[];

  constructor(shape: readonly ShapeField[], options: ShapeOptions = {}) {
    this.fields = shape;
    this.#options = options;
    this.#texts = shape.map(() => '');
    this.#stops = shape.map((_, i) => stopOf(shape[i + 1]) || (options.after ?? ''));
  }

  /** Place of a field, for `textAt`; -1 if the format does not have it. */
  placeOf(field: Field): number {
    return this.fields.findIndex((one) => one.field === field);
  }

  /** Text of a field in the last line read; undefined for place -1, '' if the line ended before it. */
  textAt(place: number): string | undefined {
    return place < 0 ? undefined : this.#texts[place];
  }

  /** Splits a line into its fields. Returns a refusal that names the first field that does not match. */
  read(line: string): Refusal | undefined {
    const { fields: shape } = this;
    const texts = this.#texts;
    let at = 0;
    for (let i = 0; i < shape.length; i++) {
      const one = shape[i];
      if (one === undefined) break;
      if (at === line.length && i === this.#options.mayEndBefore) {
        texts.fill('', i);
        return undefined;
      }
      const from = skip(line, at, one.before);
      if (from < 0)
        return refused(`the line ends or differs before the ${one.title}`, line.slice(at, at + 80));
      at = one.style === 'plain' ? this.#plain(line, from, i) : this.#enclosed(line, from, i, one);
      if (at < 0) return refused(reasons[one.style](one.title), line.slice(from, from + 80));
    }
    const { after = '' } = this.#options;
    return this.#checkTail(line, line.startsWith(after, at) ? at + after.length : at);
  }

  #checkTail(line: string, at: number): Refusal | undefined {
    if (at === line.length) return undefined;
    const code = line.charCodeAt(at);
    if (code !== blank && code !== tab)
      return refused('there is text directly after the last field', line.slice(at));
    const quote = line.indexOf('"', at);
    if (quote < 0) return undefined;
    if (this.#options.tail === 'no quotes')
      return refused('the line has more fields than the format', line.slice(at));
    // With an odd number of quotes, one of them was inside a field and ended it too early.
    let quotes = 0;
    for (let next = quote; next >= 0; next = line.indexOf('"', next + 1))
      if (!isEscaped(line, next)) quotes++;
    return quotes % 2 === 0 ? undefined : refused('a quote within a field is not escaped', line.slice(at));
  }

  /** Reads a plain field up to the text that follows it. Returns the field's end, or -1 if that text is missing. */
  #plain(line: string, from: number, i: number): number {
    const stop = this.#stops[i] ?? '';
    let end = stop === '' ? endOfToken(line, from) : line.indexOf(stop, from);
    // A proxy's list of addresses contains spaces.
    const field = this.fields[i]?.field;
    if (stop === ' ' && (field === 'address' || field === 'forwardedFor'))
      while (end > 0 && line.charCodeAt(end - 1) === comma) end = line.indexOf(stop, end + 1);
    for (let left = this.fields[i]?.blanks ?? 0; left > 0 && end >= 0; left--)
      end = line.indexOf(stop === '' ? ' ' : stop, end + 1);
    if (end < 0 && i === this.#last) end = line.length;
    if (end < 0 && i + 1 === this.#options.mayEndBefore) end = line.length;
    if (end < 0) return -1;
    this.#texts[i] = line.slice(from, end);
    return end;
  }

  get #last(): number {
    return this.fields.length - 1;
  }

  #enclosed(line: string, from: number, i: number, { style }: ShapeField): number {
    const isQuoted = style === 'quoted';
    const first = line.charCodeAt(from);
    if (first === dash && isQuoted && isEnd(line, from + 1)) {
      this.#texts[i] = '-';
      return from + 1;
    }
    if (first !== (isQuoted ? quoteMark : bracket)) return -1;
    const stop = this.#stops[i] ?? '';
    let end = line.indexOf(isQuoted ? '"' : ']', from + 1);
    if (isQuoted)
      while (end >= 0 && (isEscaped(line, end) || !isFollowed(line, end + 1, stop)))
        end = line.indexOf('"', end + 1);
    if (end < 0) return -1;
    this.#texts[i] = line.slice(from + 1, end);
    return end + 1;
  }
}

const reasons = {
  plain: (title: string) => `the line ends within the ${title}`,
  quoted: (title: string) => `the ${title} is not in quotes, or its last quote is missing`,
  bracketed: (title: string) => `the ${title} is not in brackets`,
};

const blank = 0x20;
const tab = 0x09;
const quoteMark = 0x22;
const comma = 0x2c;
const dash = 0x2d;
const bracket = 0x5b;

/** Position after `before`; -1 if the line does not have it at `at`. */
function skip(line: string, at: number, before: string): number {
  if (before === '') return at;
  let to = at;
  if (line.startsWith(before, at)) {
    to = at + before.length;
    if (before.charCodeAt(before.length - 1) !== blank || line.charCodeAt(to) !== blank) return to;
    while (line.charCodeAt(to) === blank) to++;
    return to;
  }
  for (const character of before) {
    if (line[to] !== character) return -1;
    to++;
    if (character === ' ') while (line.charCodeAt(to) === blank) to++;
  }
  return to;
}

function stopOf(next: ShapeField | undefined): string {
  if (next === undefined) return '';
  return next.style === 'bracketed' ? `${next.before}[` : next.before;
}

function endOfToken(line: string, from: number): number {
  const end = line.indexOf(' ', from);
  return end < 0 ? line.length : end;
}

function isEnd(line: string, at: number): boolean {
  return at >= line.length || line.charCodeAt(at) === blank;
}

/** Whether a quote closes its field: the text that follows the field in the format must follow here. */
function isFollowed(line: string, at: number, stop: string): boolean {
  return at >= line.length || (stop === '' ? isEnd(line, at) : line.startsWith(stop, at));
}

/** Whether an odd number of backslashes precedes the character. */
function isEscaped(line: string, at: number): boolean {
  let before = 0;
  while (line.charCodeAt(at - 1 - before) === 0x5c) before++;
  return before % 2 === 1;
}
