/** Reads lines with a format, as an import does. */
import { logFile, type LogOptions } from '../log-files.js';
import { pageviewDefaults } from '../pageviews.js';

export interface Read {
  readonly about: Readonly<Record<string, string>>;
  /** Result of each line: the pageview, or `filtered: <reason>` or `rejected: <reason>`. */
  readonly results: readonly (Readonly<Record<string, unknown>> | string)[];
}

/** @param name of a format, or 'auto' */
export function readLog(lines: readonly string[], name = 'auto', options: Partial<LogOptions> = {}): Read {
  const reader = logFile({ name, options: { ...pageviewDefaults, ...options } }).open(lines);
  const results = lines.map((line) => {
    const result = reader.read(line);
    if (result.kind === 'fact' && result.by !== undefined) reader.readByOther?.(result.by, 1);
    if (result.kind === 'fact') return Object.fromEntries(Object.entries(result.value));
    return `${result.kind}: ${result.reason}`;
  });
  return { about: reader.about, results };
}

/** The pageview of a line that has one. */
export function viewOf(
  line: string,
  name = 'auto',
  options: Partial<LogOptions> = {},
): Readonly<Record<string, unknown>> {
  const [result] = readLog([line], name, options).results;
  if (typeof result !== 'object') throw new Error(`${String(result)}: ${line}`);
  return result;
}
