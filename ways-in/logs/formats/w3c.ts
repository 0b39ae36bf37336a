/**
 * W3C extended log files, as IIS writes them: `#Fields:` names the columns, and is repeated when they change. Times are UTC
 * (https://www.w3.org/TR/WD-logfile). IIS writes spaces in a user agent as `+`; other servers quote texts with spaces.
 */
import {
  passed,
  refused,
  withoutOption,
  type LogFormat,
  type LogRequest,
  type ParseLine,
  type Parsed,
} from '../request.js';
import { IsoTimes } from '../fields/iso-times.js';
import { TextMemo } from '../fields/text-memo.js';

/** Names of the columns that are used, in order of preference. */
const columns = {
  date: ['date'],
  time: ['time'],
  localDate: ['date-local'],
  localTime: ['time-local'],
  address: ['c-ip'],
  forwardedFor: ['x-forwarded-for', 'cs(x-forwarded-for)', 's-xff'],
  user: ['cs-username', 'cs-auth-id', 'c-auth-id'],
  method: ['cs-method'],
  stem: ['cs-uri-stem'],
  uri: ['cs-uri'],
  query: ['cs-uri-query'],
  status: ['sc-status'],
  host: ['x-host-header', 'cs-host', 'cs(host)'],
  port: ['s-port'],
  scheme: ['cs-protocol'],
  userAgent: ['cs(user-agent)'],
  referrer: ['cs(referer)', 'cs(referrer)'],
  eventId: ['x-edge-request-id'],
} as const;
export type Column = keyof typeof columns;

/** Index of each column in a file; -1 if the file does not have it. */
export type Places = Readonly<Record<Column, number>> & { readonly count: number };

export function placesOf(fieldsLine: string, separator: RegExp): Places {
  const names = fieldsLine.trim().toLowerCase().split(separator);
  const places = Object.fromEntries(
    Object.entries(columns).map(([column, of]) => [
      column,
      of.map((name) => names.indexOf(name)).find((at) => at >= 0) ?? -1,
    ]),
  ) as Record<Column, number>; // every column has its entry
  return { ...places, count: names.length };
}

export const w3c: LogFormat = {
  name: 'w3c',
  title: 'W3C extended, IIS',
  start({ utcOf }): ParseLine {
    let places: Places | undefined;
    let date = '';
    const times = new IsoTimes();
    const agents = new TextMemo((text) => text.replaceAll('+', ' '));
    return (line): Parsed => {
      if (line.startsWith('#')) {
        const [, directive = '', value = ''] = /^#([\w-]+):\s*(.*)$/.exec(line) ?? [];
        if (directive.toLowerCase() === 'fields') places = placesOf(value, /\s+/);
        if (directive.toLowerCase() === 'date') date = value.slice(0, 10);
        return passed('comment');
      }
      if (places === undefined) return refused('no #Fields line before this line', line);
      const values = valuesOf(line);
      if (values.length !== places.count)
        return refused(
          'the line does not have as many fields as #Fields names',
          `${values.length} instead of ${places.count}`,
        );
      return requestOf(values, places, { date, times, agents, utcOf });
    };
  },
};

function valuesOf(line: string): string[] {
  if (!line.includes('"')) {
    const values = line.split(' ');
    return values.includes('') || line.includes('\t') ? line.trim().split(/\s+/) : values;
  }
  return (line.match(/"(?:[^"]|"")*"|\S+/g) ?? []).map((text) =>
    text.startsWith('"') ? text.slice(1, -1).replaceAll('""', '"') : text,
  );
}

interface FileState {
  /** Date of the last `#Date:` directive, for lines that only have the time of day. */
  readonly date: string;
  readonly times: IsoTimes;
  /** Decodes user agents. */
  readonly agents: TextMemo<string>;
  readonly utcOf: ((localMs: number) => number) | undefined;
}

function requestOf(
  values: readonly string[],
  places: Places,
  { date, times, agents, utcOf }: FileState,
): Parsed {
  const text = (column: Column): string | undefined => {
    const value = values[places[column]];
    return value === undefined || value === '-' || value === '' ? undefined : value;
  };
  if (places.address < 0 && places.forwardedFor < 0) return refused('#Fields names no c-ip');
  const isLocal = places.time < 0 && places.localTime >= 0;
  const dayText = (isLocal ? text('localDate') : text('date')) ?? date;
  const timeText = (isLocal ? text('localTime') : text('time')) ?? '';
  const wall = wallMs(dayText, timeText, times);
  if (wall === undefined) return refused('cannot parse date and time', `${dayText} ${timeText}`);
  if (isLocal && utcOf === undefined) return withoutOption('--zone', 'times are local');
  const stem = text('stem') ?? text('uri');
  const query = text('query');
  const agent = text('userAgent');
  return {
    kind: 'request',
    address: text('address'),
    forwardedFor: text('forwardedFor'),
    user: text('user'),
    time: isLocal && utcOf !== undefined ? utcOf(wall) : wall,
    method: text('method') ?? (places.method < 0 && stem !== undefined ? 'GET' : undefined),
    target: stem === undefined || query === undefined ? stem : `${stem}?${query}`,
    status: text('status'),
    host: text('host'),
    scheme: schemeOf(text('scheme'), text('port')),
    referrer: text('referrer'),
    userAgent: agent === undefined ? undefined : agents.get(agent),
  } satisfies LogRequest;
}

/** Milliseconds of a local date and time as if it were UTC; the seconds may be missing. */
export function wallMs(date: string, time: string, times: IsoTimes): number | undefined {
  return times.read(`${date}T${time}${time.length === 5 ? ':00' : ''}Z`);
}

function schemeOf(protocol: string | undefined, port: string | undefined): string | undefined {
  if (protocol !== undefined)
    return /^(?:https|wss)$/i.test(protocol) ? 'https' : /^(?:http|ws)$/i.test(protocol) ? 'http' : undefined;
  return port === '443' ? 'https' : port === '80' ? 'http' : undefined;
}
