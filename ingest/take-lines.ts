/**
 * Turns a block of lines into facts: format, door, digests. The result depends only on these lines and on the state lines before them, so that several
 * threads can process blocks at once. What depends on all earlier lines, a line's number among equal lines, is left to the caller, which has the blocks in
 * order.
 */
import { isUtf8 } from 'node:buffer';
import type { BotRule } from '../facts/bots.js';
import { admit, type Warning } from '../facts/door.js';
import type { Fact } from '../facts/fact.js';
import type { UrlRules } from '../facts/url/normalize.js';
import { asBuffer } from '../lib/memory/as-buffer.js';
import { withValue, type LineReader } from './line-format.js';
import { digestOfFact, digestOfLine, digestWords, idOfLine, putDigest } from './line-ids.js';
import { linesOf, type Line, type LineBlock } from './lines.js';

export interface RefusedLine {
  readonly line: number;
  /** Reason for the counts, from a bounded set. */
  readonly counted: string;
  readonly reason: string;
  /** The first 2,000 characters of the line. */
  readonly text: string;
}

/** Flags of a fact: it has its own eventId; it is a pageview that the bot rule leaves out. */
export const [hasOwnId, isBots] = [1, 2];

/** @template Item a fact or its record */
export interface TakenBlock<Item> {
  /** Number of lines of the block, without an incomplete last line, which counts in `waiting`. */
  readonly lines: number;
  readonly waiting: number;
  /** Text of the block for the hash over all lines. Undefined if it is equal to the bytes of the block. */
  readonly trail: string | undefined;
  /** Number of filtered lines by reason, in order of appearance. */
  readonly filtered: ReadonlyMap<string, number>;
  readonly refused: readonly RefusedLine[];
  readonly warned: readonly { readonly line: number; readonly warning: Warning }[];
  /** Number of lines by the format that read them, for other formats than the file's. */
  readonly byOthers: ReadonlyMap<string, number>;
  /** Facts in order. Lines without an eventId have that of the first of equal lines. */
  readonly facts: readonly Item[];
  /** Flags of each fact. */
  readonly flags: Uint8Array;
  /** `digestWords` words for each fact. */
  readonly digests: Int32Array;
}

export interface TakeOptions {
  readonly reader: LineReader;
  readonly urls: UrlRules;
  readonly bots?: Pick<BotRule, 'excludes'> | undefined;
  /** importId of pageviews whose lines do not have one. */
  readonly importId?: string | undefined;
  /** Key of the digests of lines. */
  readonly lineKey: string;
  /** Whether a line without a line end is complete. */
  readonly isWhole: (line: Line) => boolean;
}

const timeIsMissing = {
  field: 'timestamp',
  message: 'timestamp is missing; the time of the import was used',
};

export function takeLines(block: LineBlock, receivedAt: number, taking: TakeOptions): TakenBlock<Fact> {
  const { reader, urls, bots, importId, lineKey } = taking;
  const all = linesOf(block);
  const lines = all.every(({ ended }) => ended)
    ? all
    : all.filter((line) => line.ended || taking.isWhole(line));
  const filtered = new Map<string, number>();
  const byOthers = new Map<string, number>();
  const refused: RefusedLine[] = [];
  const warned: { line: number; warning: Warning }[] = [];
  const facts: Fact[] = [];
  const flags = new Uint8Array(lines.length);
  const digests = new Int32Array(digestWords * lines.length);
  for (const line of lines) {
    const refuse = (counted: string, reason: string): void =>
      void refused.push({ line: line.number, counted, reason, text: line.text.slice(0, 2_000) });
    if (line.refusal !== undefined) {
      refuse(line.refusal, line.refusal);
      continue;
    }
    const result = reader.read(line.text);
    if (result.kind === 'rejected') {
      refuse(result.reason, withValue(result));
      continue;
    }
    if (result.kind === 'filtered') {
      filtered.set(result.reason, (filtered.get(result.reason) ?? 0) + 1);
      continue;
    }
    if (result.by !== undefined) byOthers.set(result.by, (byOthers.get(result.by) ?? 0) + 1);
    let digest: string | undefined;
    const eventId = (): string => idOfLine((digest = digestOfLine(line.text, result.site, lineKey)));
    const admission = admit(result.value, receivedAt, urls, { eventId, importId });
    if (!admission.ok) {
      refuse(`the ${admission.field} is invalid`, admission.reason);
      continue;
    }
    for (const warning of admission.warnings) warned.push({ line: line.number, warning });
    if (!('timestamp' in result.value)) warned.push({ line: line.number, warning: timeIsMissing });
    const { fact } = admission;
    const isBot = fact.type === 'pageview' && bots?.excludes(fact.userAgent) === true;
    flags[facts.length] = (digest === undefined ? hasOwnId : 0) | (isBot ? isBots : 0);
    putDigest(digest ?? digestOfFact(fact), digests, digestWords * facts.length);
    facts.push(fact);
  }
  const waiting = all.length - lines.length;
  const trail = trailOf(block, lines);
  return { lines: lines.length, waiting, trail, filtered, refused, warned, byOthers, facts, flags, digests };
}

function trailOf(block: LineBlock, lines: readonly Line[]): string | undefined {
  if (block.kind === 'bytes' && !isChanged(asBuffer(block.bytes), lines)) return undefined;
  return lines.map(({ text }) => text).join('\n');
}

/** Whether the texts of the lines may differ from the block's bytes: they lack a byte order mark, CRs, invalid UTF-8 and the ends of long lines. */
function isChanged(bytes: Buffer, lines: readonly Line[]): boolean {
  return (
    lines[0]?.number === 1 ||
    bytes.includes(0x0d) ||
    lines.some(({ refusal }) => refusal !== undefined) ||
    !isUtf8(bytes)
  );
}
