/**
 * The port between an import and the formats of files: a format reads a line and says which fact it is, or why it is none. NDJSON of facts is
 * read here (`ndjson.ts`); the formats of web servers are read around the core, in `ways-in/logs/`, and are given to the import.
 */
import type { ByteProgress, LineBlock } from './lines.js';

/** What a line is. Reasons are texts of a bounded set, so that they can be counted; what the line says goes into `value`. */
export type LineResult =
  | {
      readonly kind: 'fact';
      /** For the door. */
      readonly value: object;
      /** Tells equal lines of several sites apart where lines do not name theirs: part of the eventId. */
      readonly site: string;
      /** The format that read it, where it is not the file's. */
      readonly by?: string;
    }
  | { readonly kind: 'filtered'; readonly reason: string }
  | { readonly kind: 'rejected'; readonly reason: string; readonly value?: string };

export interface LineReader {
  /** What was chosen for this file, for people, as far as it was read: `{ format: 'combined (detected)', host: 'www.example.org' }`. */
  readonly about: Readonly<Record<string, string>>;
  /** Called once a line, in the order of the file. Never throws. What it says depends on nothing but the line and the state lines before it. */
  read(line: string): LineResult;
  /**
   * What a line changes for those after it: a name for it, so that of all lines with one name the last alone has to be read again by whoever
   * reads on from there. Undefined for nearly all lines. Such lines begin with `#`. Absent where a format has none.
   */
  stateOf?(line: string): string | undefined;
  /** Told how many lines another format than the file's has read. */
  readByOther?(format: string, lines: number): void;
  /** Whether a text without a line end shows by itself that it is a whole line. */
  isWhole(text: string): boolean;
}

export interface FileFormat {
  /**
   * Starts a file. Throws a SwaError when the file is of another format, or an option is missing.
   * @param first the first lines of the file, at least one
   */
  open(first: readonly string[]): LineReader;
  /** A key for eventIds made of lines, where lines hold what must not be found by guessing (addresses). */
  readonly lineKey?: () => string;
  /** How another thread gets the same format; undefined where only this one can read it. */
  readonly elsewhere?: FormatElsewhere;
  /** The rows of a file that does not consist of lines of text; undefined where it does. */
  readonly rows?: (path: string, progress: ByteProgress) => AsyncGenerator<LineBlock>;
}

/** A module that exports `formatOf: FormatOf`, by its URL, and what that is given. */
export interface FormatElsewhere {
  readonly module: string;
  readonly stored: unknown;
}

/**
 * The format that a job names. Throws a SwaError when it is unknown, or its options are not valid.
 * @param addressKey the data directory's key for what is made of addresses; asked for when it is needed
 */
export type FormatOf = (stored: unknown, addressKey: () => string) => Promise<FileFormat>;

/** Shown with a reason. */
export function withValue({ reason, value }: { readonly reason: string; readonly value?: string }): string {
  return value === undefined ? reason : `${reason}: '${value.slice(0, 80)}'`;
}
