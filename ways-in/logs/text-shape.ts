/**
 * Formats of text with a fixed order of fields, compiled from the notation in which servers are configured: `"%r" %>s` is a quoted
 * request, a blank and a status. A field ends where what follows it in the format begins; one in quotes is read by state, so that an escaped
 * quote is part of it; where the server writes `-` without the quotes, that is taken. Blanks may be several. What follows the last
 * field is not read: many add fields of their own there.
 */
import { refused, type Refusal } from './request.js';

/** What a field says. Fields without a meaning are passed over. */
export const fields = [
  'address',
  'forwardedFor',
  'ident',
  'user',
  'time', // in the notation's own way, as by `TimeReader`
  'date',
  'timeOfDay',
  'zone',
  'request',
  'method',
  'target',
  'path',
  'query',
  'status',
  'host', // as the client named it: a port is part of it
  'server', // the server's own name, perhaps with its port
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
  /** As written in the line. */
  readonly style: 'plain' | 'quoted' | 'bracketed';
  /** What stands before it, without its own quote or bracket. */
  readonly before: string;
  /** How many blanks a plain field holds: a request has two, a time perhaps one. */
  readonly blanks?: number;
  /** How a reader of the message knows it: `status`, `%{X-Thing}i`. */
  readonly title: string;
}

export interface ShapeOptions {
  /** A line may end before this field: 7 in combined, which the common format ends at. */
  readonly mayEndBefore?: number;
  /** What stands behind the last field. */
  readonly after?: string;
  /** What may follow the last field. Default: anything after a blank. */
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

  /** Where a field stands among the texts of a line; -1 where the format lacks it. */
  placeOf(field: Field): number {
    return this.fields.findIndex((one) => one.field === field);
  }

  /** Of the line that was read last; undefined for place -1. Empty where the line ended before it. */
  textAt(place: number): string | undefined {
    return place < 0 ? undefined : this.#texts[place];
  }

  /** Finds the fields of a line. A refusal names the first that does not fit. */
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
    // An odd number of quotes: one of them stands within a field, and ended it too early.
    let quotes = 0;
    for (let next = quote; next >= 0; next = line.indexOf('"', next + 1))
      if (!isEscaped(line, next)) quotes++;
    return quotes % 2 === 0 ? undefined : refused('a quote within a field is not escaped', line.slice(at));
  }

  /** Reads up to what follows; returns where it ended, -1 when that is not there. */
  #plain(line: string, from: number, i: number): number {
    const stop = this.#stops[i] ?? '';
    let end = stop === '' ? endOfToken(line, from) : line.indexOf(stop, from);
    // A proxy's list of addresses has blanks.
    if (stop === ' ' && this.fields[i]?.field === 'address')
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

/** Where the text behind `before` begins; -1 when `before` is not there. */
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

/** Whether a closing quote is one: what follows it in the format follows it here, too. */
function isFollowed(line: string, at: number, stop: string): boolean {
  return at >= line.length || (stop === '' ? isEnd(line, at) : line.startsWith(stop, at));
}

/** Whether an odd number of backslashes stands before. */
function isEscaped(line: string, at: number): boolean {
  let before = 0;
  while (line.charCodeAt(at - 1 - before) === 0x5c) before++;
  return before % 2 === 1;
}
