/**
 * Log files of web servers for the import: chooses the format of a file and turns its lines into pageviews. Without `--format` the format is detected from the
 * first lines, and lines that it cannot read are tried with the other formats, because a server's configuration may change in the middle of a file.
 */
import { z } from 'zod';
import { isFactLine, ndjson, ndjsonSchema } from '../../ingest/ndjson.js';
import type { FileFormat, LineReader, LineResult } from '../../ingest/line-format.js';
import { SwaError } from '../../lib/errors/errors.js';
import { jsonFormat, parseColumns, tableFormat, tableFormats, type TableFormat } from './columns.js';
import { zoneReader } from './fields/zone.js';
import { formatOfString, goAccessDefaults, notationOf, notations } from './format-string.js';
import { logFormats, otherFormats } from './formats.js';
import { HashedAddresses } from './hashed-address.js';
import {
  hashesIn,
  pageviewOf,
  pageviewOptionsSchema,
  rejected,
  type LogResult,
  type PageviewOptions,
} from './pageviews.js';
import type { LogFormat, ParseLine, ParseOptions, Parsed, Refusal } from './request.js';
import { factRows, tableRows } from './table-rows.js';

const logOptionsSchema = pageviewOptionsSchema.extend({
  /** Time zone of times without one. */
  zone: z.string().optional(),
  /** Options of the format `log-format`, and of GoAccess. */
  logFormat: z.string().optional(),
  notation: z.enum(notations).optional(),
  dateFormat: z.string().optional(),
  timeFormat: z.string().optional(),
  /** Columns of a table: `time=ts,url=page,visitor=uid`. */
  columns: z.string().optional(),
});
export type LogOptions = Readonly<z.infer<typeof logOptionsSchema>> & Pick<PageviewOptions, 'hashed'>;

/** A format as stored in a job. `log-format` is the one in the options; `auto` detects the format. */
const logFileSchema = z.object({ name: z.string(), options: logOptionsSchema });
export interface LogFile {
  readonly name: string;
  readonly options: LogOptions;
}

/** Makes the format that the command line or a job names. Rejects with `usage.invalid` if it is unknown or its options are not valid. */
export async function formatOf(stored: unknown, addressKey: () => string): Promise<FileFormat> {
  if (ndjsonSchema.safeParse(stored).success) return ndjson;
  const parsed = logFileSchema.safeParse(stored);
  if (!parsed.success)
    throw new SwaError('usage.invalid', `a log format that is not valid: ${z.prettifyError(parsed.error)}`);
  const { name, options } = parsed.data;
  if (!hashesIn(options)) return logFile({ name, options });
  const hashed = new HashedAddresses(addressKey);
  const format = logFile({ name, options: { ...options, hashed } });
  const keyed = { ...format, lineKey: () => hashed.key };
  // Another thread makes its own hasher from the key.
  const elsewhere = { module: import.meta.url, stored: { name, options } };
  return format.elsewhere === undefined ? keyed : { ...keyed, elsewhere };
}

export function logFile({ name, options }: LogFile): FileFormat {
  const parseOptions: ParseOptions = options.zone === undefined ? {} : { utcOf: zoneReader(options.zone) };
  const table = tableFormats.find((one) => one === name);
  if (table !== undefined) return tableFile(table, options, parseOptions);
  const elsewhere = { module: import.meta.url, stored: { name, options } };
  if (name === 'auto') return { open: (first) => openUnasked(first, options, parseOptions), elsewhere };
  const format = name === 'log-format' ? formatGiven(options) : logFormats.find((one) => one.name === name);
  if (format === undefined) {
    const names = logFormats.map((one) => one.name).join(', ');
    throw new SwaError('usage.invalid', `--format is not known: '${name}'`, {
      hint: `one of auto, ndjson, ${names}, ${tableFormats.join(', ')}`,
    });
  }
  return {
    elsewhere,
    open(first) {
      checkOptions(first, format, options, parseOptions);
      return new LogReader([format], options, parseOptions, false);
    },
  };
}

function tableFile(table: TableFormat, options: LogOptions, parseOptions: ParseOptions): FileFormat {
  if (options.columns === undefined && table === 'parquet')
    return { open: (first) => ndjson.open(first), rows: factRows };
  if (options.columns === undefined)
    throw new SwaError('usage.invalid', `missing option --columns: which column of a ${table} file is what`, {
      hint: 'for example --columns time=ts,url=page,visitor=uid',
    });
  const columns = parseColumns(options.columns);
  const format = table === 'json' ? jsonFormat(columns) : tableFormat(columns);
  const open = (first: readonly string[]): LineReader => {
    checkOptions(first, format, options, parseOptions);
    return new LogReader([format], options, parseOptions, false);
  };
  if (table === 'json') return { open };
  return { open, rows: (path, progress) => tableRows(path, table, Object.values(columns), progress) };
}

function formatGiven(options: LogOptions): LogFormat {
  const { logFormat, notation, dateFormat, timeFormat } = options;
  if (logFormat === undefined) throw new SwaError('usage.invalid', 'missing option --log-format');
  return formatOfString(logFormat, notation ?? notationOf(logFormat), {
    dateFormat: dateFormat ?? goAccessDefaults.dateFormat,
    timeFormat: timeFormat ?? goAccessDefaults.timeFormat,
  });
}

/** Reads lines with the first of its formats, and with the others if the first rejects a line. */
class LogReader implements LineReader {
  readonly #parsers: readonly { readonly format: LogFormat; readonly parse: ParseLine }[];
  readonly #options: LogOptions;
  readonly #isDetected: boolean;
  readonly #linesBy = new Map<string, number>();

  constructor(
    formats: readonly LogFormat[],
    options: LogOptions,
    parseOptions: ParseOptions,
    isDetected: boolean,
  ) {
    this.#parsers = formats.map((format) => ({ format, parse: format.start(parseOptions) }));
    this.#options = options;
    this.#isDetected = isDetected;
  }

  get about(): Readonly<Record<string, string>> {
    const { host, zone } = this.#options;
    const format = this.#parsers[0]?.format;
    const others = [...this.#linesBy].map(([name, lines]) => `; ${lines} lines are ${name}`).join('');
    const proxies = this.#options.trustedProxies ?? format?.trustedProxies ?? 0;
    return {
      format: `${format?.name ?? ''}${this.#isDetected ? ' (detected)' : ''}${others}`,
      host: host ?? 'as lines say',
      zone: zone ?? 'as lines say',
      client: proxies === 0 ? 'the address that connected' : `X-Forwarded-For, ${proxies} from its end`,
    };
  }

  read(line: string): LineResult {
    if (line.trim() === '') return { kind: 'filtered', reason: 'empty line' };
    let refusal: LineResult | undefined;
    for (const { format, parse } of this.#parsers) {
      const result = resultOf(parse(line), format, this.#options);
      if (result.kind !== 'rejected') {
        return refusal !== undefined && result.kind === 'fact' ? { ...result, by: format.name } : result;
      }
      refusal ??= result;
    }
    return refusal ?? { kind: 'rejected', reason: 'no format' };
  }

  /** Directives of W3C formats apply to the lines after them. */
  stateOf(line: string): string | undefined {
    const [, directive] = /^#([\w-]+):/.exec(line) ?? [];
    return directive !== undefined && /^(?:fields|date)$/i.test(directive) ? directive : undefined;
  }

  readByOther(format: string, lines: number): void {
    this.#linesBy.set(format, (this.#linesBy.get(format) ?? 0) + lines);
  }

  isWhole(text: string): boolean {
    return (
      this.#parsers[0]?.format.isJson === true && text.endsWith('}') && this.read(text).kind !== 'rejected'
    );
  }
}

function resultOf(parsed: Parsed, format: LogFormat, options: PageviewOptions): LogResult {
  if (parsed.kind === 'request')
    return pageviewOf(parsed, options, options.trustedProxies ?? format.trustedProxies ?? 0);
  return parsed.kind === 'passed' ? { kind: 'filtered', reason: parsed.reason } : rejected(parsed);
}

/** Opens a file with the format that can read most of its first lines. */
function openUnasked(first: readonly string[], options: LogOptions, parseOptions: ParseOptions): LineReader {
  const lines = first.filter((line) => line.trim() !== '');
  if (lines.length === 0 || lines.filter(isFactLine).length * 2 > lines.length) return ndjson.open(first);
  const best = logFormats
    .map((format) => ({ format, score: scoreOf(lines, format, options, parseOptions) }))
    .reduce((a, b) => (b.score > a.score ? b : a));
  if (best.score === 0) throw unknownFormat(lines);
  checkOptions(lines, best.format, options, parseOptions);
  // Formats that match lines of other formats, too, would accept lines which those reject for a reason.
  const others = logFormats.filter(
    (one) => one !== best.format && one.proof === undefined && one.name !== 'common',
  );
  return new LogReader([best.format, ...others], options, parseOptions, true);
}

/** Number of lines that a format can read. Options that are missing do not lower it. */
function scoreOf(
  lines: readonly string[],
  format: LogFormat,
  options: LogOptions,
  { utcOf }: ParseOptions,
): number {
  const parse = format.start({ utcOf: utcOf ?? ((localMs) => localMs) });
  const lenient = {
    ...options,
    host: options.host ?? 'any.invalid',
    trustedProxies: options.trustedProxies ?? 1,
  };
  let read = 0;
  let proven = 0;
  for (const line of lines) {
    const parsed = parse(line);
    if (parsed.kind !== 'request' || pageviewOf(parsed, lenient, lenient.trustedProxies).kind === 'rejected')
      continue;
    read++;
    if (format.proof?.(parsed) === true) proven++;
  }
  return format.proof !== undefined && proven * 2 < read ? 0 : read;
}

/** Throws `usage.invalid` if more lines need a missing option than can be read. */
function checkOptions(
  lines: readonly string[],
  format: LogFormat,
  options: LogOptions,
  parseOptions: ParseOptions,
): void {
  const parse = format.start(parseOptions);
  let facts = 0;
  let lacking = 0;
  let missing: Refusal['missing'];
  for (const line of lines) {
    const parsed = parse(line);
    if (parsed.kind === 'passed') continue;
    const result = resultOf(parsed, format, options);
    if (result.kind === 'fact') facts++;
    if (result.kind !== 'rejected' || result.missing === undefined) continue;
    missing ??= result.missing;
    lacking++;
  }
  if (missing === undefined || lacking <= facts) return;
  const { option, what } = missing;
  throw new SwaError(
    'usage.invalid',
    `missing option ${option}: ${what} in the lines of this file (format ${format.name})`,
    {
      hint:
        option === '--host'
          ? 'for example --host www.example.org'
          : `\`swa import --help\` describes ${option}`,
    },
  );
}

function unknownFormat(lines: readonly string[]): SwaError {
  const other = otherFormats.find(({ shape }) => lines.some((line) => shape.test(line)));
  const what =
    other === undefined
      ? 'cannot detect the format from the first lines of the file'
      : `the file seems to be a log of ${other.name}, which cannot be imported directly`;
  const names = logFormats.map(({ name }) => name).join(', ');
  return new SwaError('import.failed', `${what}: '${(lines[0] ?? '').slice(0, 120)}'`, {
    hint: other?.hint ?? `name it with --format (ndjson, ${names}), or write it down with --log-format`,
  });
}
