/**
 * Tables as logs: `--columns` maps columns of a CSV, TSV or Parquet file (read by DuckDB), or fields of JSON lines, to the fields of a request. For a
 * row of a table, the import sees the mapped columns only: its eventId is made from them.
 */
import { parseIso } from './fields/time-formats.js';
import { isRefusal, parseJsonLine, isObject, type JsonObject } from './json-line.js';
import {
  present,
  refused,
  withoutOption,
  type LogFormat,
  type ParseLine,
  type ParseOptions,
  type Parsed,
} from './request.js';
import { SwaError } from '../../lib/errors/errors.js';

export const tableFormats = ['csv', 'tsv', 'parquet', 'json'] as const;
export type TableFormat = (typeof tableFormats)[number];

const fields = [
  'time',
  'url',
  'host',
  'path',
  'query',
  'scheme',
  'visitor',
  'address',
  'forwarded-for',
  'user',
  'method',
  'status',
  'referrer',
  'user-agent',
  'event-id',
  'country',
] as const;
type Field = (typeof fields)[number];

/** Column of each field. */
export type Columns = Readonly<Partial<Record<Field, string>>>;

/** Parses `time=ts,url=page_url,visitor=uid`. Throws `usage.invalid` if a field is unknown or a required one is missing. */
export function parseColumns(text: string): Columns {
  const columns: Partial<Record<Field, string>> = {};
  for (const pair of text.split(',')) {
    const [name, column] = [
      pair.slice(0, pair.indexOf('=')).trim(),
      pair.slice(pair.indexOf('=') + 1).trim(),
    ];
    const field = fields.find((one) => one === name);
    if (field === undefined || column === '')
      throw new SwaError('usage.invalid', `--columns takes field=column, got '${pair}'`, {
        hint: `fields: ${fields.join(', ')}`,
      });
    columns[field] = column;
  }
  const needed: readonly (readonly Field[])[] = [
    ['time'],
    ['url', 'path'],
    ['visitor', 'address', 'forwarded-for'],
  ];
  for (const oneOf of needed)
    if (!oneOf.some((field) => columns[field] !== undefined))
      throw new SwaError('usage.invalid', `--columns names no column for ${oneOf.join(' or ')}`, {
        hint: `for example --columns time=ts,url=page,visitor=uid`,
      });
  return columns;
}

/** Format of table rows, each a JSON array with the texts of the mapped columns. */
export function tableFormat(columns: Columns): LogFormat {
  const order = Object.keys(columns);
  return {
    name: 'columns',
    title: 'a table',
    start: (options) =>
      parserOf(options, (line) => {
        const values: unknown = JSON.parse(line);
        return (field) => {
          const value: unknown = Array.isArray(values) ? values[order.indexOf(field)] : undefined;
          return typeof value === 'string' ? present(value) : undefined;
        };
      }),
  };
}

/** Format of JSON lines; a dot in a column name addresses a field of a nested object. */
export function jsonFormat(columns: Columns): LogFormat {
  const paths = Object.entries(columns).map(([field, name]) => [field, name.split('.')] as const);
  return {
    name: 'json',
    title: 'JSON lines',
    isJson: true,
    start: (options) =>
      parserOf(options, (line) => {
        const entry = parseJsonLine(line);
        if (isRefusal(entry)) return undefined;
        const found = new Map(paths.map(([field, path]) => [field, valueAt(entry, path)]));
        return (field) => present(found.get(field));
      }),
  };
}

function valueAt(entry: JsonObject, path: readonly string[]): string | undefined {
  let value: unknown = entry[path.join('.')];
  if (value === undefined) {
    value = entry;
    for (const name of path) value = isObject(value) ? value[name] : undefined;
  }
  if (Array.isArray(value)) [value] = value;
  return typeof value === 'string' ? value : typeof value === 'number' ? String(value) : undefined;
}

type Row = (field: Field) => string | undefined;

function parserOf({ utcOf }: ParseOptions, rowOf: (line: string) => Row | undefined): ParseLine {
  return (line): Parsed => {
    const row = rowOf(line);
    if (row === undefined) return refused('the line is not a JSON object', line);
    const timeText = row('time') ?? '';
    const time = timeOf(timeText, utcOf);
    if (time === undefined) return refused('cannot parse the time', timeText);
    if (time === 'local') return withoutOption('--zone', 'times have no time zone', timeText);
    const visitor = row('visitor');
    if (visitor === undefined && row('address') === undefined && row('forwarded-for') === undefined)
      return refused('the row has no visitor');
    const [, scheme, host, rest] = /^(https?):\/\/([^/?#]+)(.*)$/is.exec(row('url') ?? '') ?? [];
    const path = rest ?? row('url') ?? row('path');
    const query = row('query');
    return {
      kind: 'request',
      visitor,
      address: row('address'),
      forwardedFor: row('forwarded-for'),
      user: row('user'),
      time,
      method: row('method') ?? 'GET',
      target: targetOf(path, query),
      status: row('status'),
      host: host ?? row('host'),
      scheme: (scheme ?? row('scheme'))?.toLowerCase(),
      referrer: row('referrer'),
      userAgent: row('user-agent'),
      eventId: row('event-id'),
      country: row('country'),
    };
  };
}

function targetOf(path: string | undefined, query: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  const whole = path === '' ? '/' : path.startsWith('?') ? `/${path}` : path;
  return query === undefined || whole.includes('?') ? whole : `${whole}?${query.replace(/^\?/, '')}`;
}

const naive = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d)(:\d\d(?:\.\d+)?)?$/;

/** UTC ms of RFC 3339 (also with `+00`), or of a number of s, ms, µs or ns. Without a zone the option's is used; 'local' if there is none. */
function timeOf(
  text: string,
  utcOf: ((localMs: number) => number) | undefined,
): number | 'local' | undefined {
  if (/^\d{9,10}(\.\d+)?$/.test(text)) return Math.floor(Number(text) * 1_000);
  if (/^\d{13}(\.\d+)?$|^\d{16}$|^\d{19}$/.test(text)) return Number(text.slice(0, 13));
  const local = naive.exec(text);
  if (local === null) {
    const time = parseIso(text.replace(/([+-]\d\d)$/, '$1:00'));
    return Number.isFinite(time) ? time : undefined;
  }
  const [, day = '', minute = '', second = ':00'] = local;
  const wall = parseIso(`${day}T${minute}${second}Z`);
  if (!Number.isFinite(wall)) return undefined;
  return utcOf === undefined ? 'local' : utcOf(wall);
}
