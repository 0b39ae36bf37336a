/**
 * What is made of a block of lines: format, door, digests. It depends on nothing but these lines (and the state lines before them), so that blocks
 * can be taken in several threads at once; what depends on the lines before, which number of equal ones a line is, is left to who puts
 * the blocks in order.
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
  /** Of a bounded set. */
  readonly counted: string;
  readonly reason: string;
  /** Its beginning. */
  readonly text: string;
}

/** A fact has an eventId of its own; it is a pageview that the bot rule leaves out. */
export const [hasOwnId, isBots] = [1, 2];

/** @template Item a fact, or what was made of one */
export interface TakenBlock<Item> {
  /** Lines of the block; without one that waits to be completed. */
  readonly lines: number;
  readonly waiting: number;
  /** What the hash over the lines is to take in for the block. Undefined where that is the bytes of the block. */
  readonly trail: string | undefined;
  /** Lines by reason, in the order in which the reasons came. */
  readonly filtered: ReadonlyMap<string, number>;
  readonly refused: readonly RefusedLine[];
  readonly warned: readonly { readonly line: number; readonly warning: Warning }[];
  /** Lines by the format that read them, where that is not the file's. */
  readonly byOthers: ReadonlyMap<string, number>;
  /** In order; their eventIds are those of lines that come for the first time. */
  readonly facts: readonly Item[];
  /** Of each fact. */
  readonly flags: Uint8Array;
  /** `digestWords` of each fact. */
  readonly digests: Int32Array;
}

export interface Taking {
  readonly reader: LineReader;
  readonly urls: UrlRules;
  readonly bots?: Pick<BotRule, 'excludes'> | undefined;
  /** Names the import in its pageviews, where lines do not name one themselves. */
  readonly importId?: string | undefined;
  /** Keys digests of lines. */
  readonly lineKey: string;
  /** Whether an unended line is whole. */
  readonly isWhole: (line: Line) => boolean;
}

const timeIsMissing = {
  field: 'timestamp',
  message: 'timestamp is missing; the time of the import was used',
};

export function takeLines(block: LineBlock, receivedAt: number, taking: Taking): TakenBlock<Fact> {
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

/** Whether the lines of a block are not its bytes: a byte order mark, CR, what is not UTF-8, and ends of long lines are left out. */
function isChanged(bytes: Buffer, lines: readonly Line[]): boolean {
  return (
    lines[0]?.number === 1 ||
    bytes.includes(0x0d) ||
    lines.some(({ refusal }) => refusal !== undefined) ||
    !isUtf8(bytes)
  );
}
