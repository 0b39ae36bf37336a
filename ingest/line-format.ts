/**
 * The interface between an import and file formats: a format turns a line into a fact, or says why it is not one. NDJSON of facts is
 * built in (`ndjson.ts`); the log formats of web servers are outside the core, in `ways-in/logs/`, and are passed to the import.
 */
import type { ByteProgress, LineBlock } from './lines.js';

/** Result of reading a line. Reasons are from a bounded set, so that they can be counted; text of the line goes into `value`. */
export type LineResult =
  | {
      readonly kind: 'fact';
      /** Input of the door. */
      readonly value: object;
      /** Part of the eventId: distinguishes equal lines of several sites if lines do not name their site; else ''. */
      readonly site: string;
      /** Name of the format that read the line, if it is not the file's. */
      readonly by?: string;
    }
  | { readonly kind: 'filtered'; readonly reason: string }
  | { readonly kind: 'rejected'; readonly reason: string; readonly value?: string };

export interface LineReader {
  /** What was chosen for this file so far, for people: `{ format: 'combined (detected)', host: 'www.example.org' }`. */
  readonly about: Readonly<Record<string, string>>;
  /** Called once per line, in file order. Never throws. The result depends only on the line and on the state lines before it. */
  read(line: string): LineResult;
  /**
   * If the line changes how later lines are read, the name of the state that it sets; a reader that starts later in the file only
   * has to read the last line of each name. Undefined for nearly all lines. State lines begin with `#`. Absent if the format has none.
   */
  stateOf?(line: string): string | undefined;
  /** Called with the number of lines that another format than the file's has read. */
  readByOther?(format: string, lines: number): void;
  /** Whether text without a line end is certainly a complete line. */
  isWhole(text: string): boolean;
}

export interface FileFormat {
  /**
   * Opens a file. Throws a SwaError if the file is of another format, or an option is missing.
   * @param first the first lines of the file, at least one
   */
  open(first: readonly string[]): LineReader;
  /** Key of the hashes in line eventIds, if lines contain text that must not be found by guessing (addresses). */
  readonly lineKey?: () => string;
  /** How another thread gets the same format; undefined if only this thread can read it. */
  readonly elsewhere?: FormatElsewhere;
  /** Reads a file that does not consist of text lines; undefined if it does. */
  readonly rows?: (path: string, progress: ByteProgress) => AsyncGenerator<LineBlock>;
}

/** URL of a module that exports `formatOf: FormatOf`, and the `stored` argument for it. */
export interface FormatElsewhere {
  readonly module: string;
  readonly stored: unknown;
}

/**
 * Makes the format that a job names. Throws a SwaError if it is unknown or its options are not valid.
 * @param addressKey returns the data directory's key for hashing addresses; called only if it is needed
 */
export type FormatOf = (stored: unknown, addressKey: () => string) => Promise<FileFormat>;

/** The reason, with the first 80 characters of the value if there is one. */
export function withValue({ reason, value }: { readonly reason: string; readonly value?: string }): string {
  return value === undefined ? reason : `${reason}: '${value.slice(0, 80)}'`;
}
