/** Apache's LogFormat: `%h %l %u %t "%r" %>s %b`. https://httpd.apache.org/docs/2.4/mod/mod_log_config.html */
import { SwaError } from '../../../lib/errors/errors.js';
import type { Directive, Part } from './compile.js';
import type { TimeKind } from '../fields/time-formats.js';
import type { Field } from '../text-shape.js';

const directive = /%%|%[<>!0-9,]*(?:\{([^}]*)\})?(\^ti|\^to|\^FB|[A-Za-z])/g;

const byLetter: Readonly<Record<string, Field>> = {
  h: 'address',
  a: 'address',
  l: 'ident',
  u: 'user',
  r: 'request',
  m: 'method',
  U: 'path',
  q: 'query',
  s: 'status',
  v: 'server',
  V: 'host',
  p: 'port',
};

const byHeader: Readonly<Record<string, Field>> = {
  referer: 'referrer',
  'user-agent': 'userAgent',
  'x-forwarded-for': 'forwardedFor',
  host: 'host',
  'x-request-id': 'eventId',
  'cf-ipcountry': 'country',
};

/** Parses a format into its parts and the format of its time. Throws `usage.invalid` if it has no directives. */
export function readApache(format: string): { parts: Part[]; time: TimeKind } {
  const parts: Part[] = [];
  let time: TimeKind = { kind: 'clf' };
  let at = 0;
  // The configuration writes a quote as `\"`. Server name and port become one field, and so do path and query.
  const text = format
    .replaceAll('\\"', '"')
    .replaceAll('\\t', '\t')
    .replaceAll('%v:%p', '%v')
    .replaceAll('%U%q', '%U');
  for (const match of text.matchAll(directive)) {
    if (match.index > at) parts.push(text.slice(at, match.index));
    at = match.index + match[0].length;
    const [whole, argument, letter = ''] = match;
    if (whole === '%%') parts.push('%');
    else if (letter === 't' && argument !== undefined) {
      const { field, kind } = timeOf(argument);
      if (kind !== undefined) time = kind;
      parts.push({ field, title: whole, blanks: blanksOf(argument) });
    } else parts.push(plainDirective(whole, letter, argument));
  }
  if (at < text.length) parts.push(text.slice(at));
  if (parts.every((part) => typeof part === 'string'))
    throw new SwaError('usage.invalid', `the log format has no fields: '${format}'`);
  return { parts, time };
}

function plainDirective(title: string, letter: string, argument: string | undefined): Directive {
  if (letter === 't') return { field: 'time', title, isBracketed: true };
  if (letter === 'i') return { field: byHeader[argument?.toLowerCase() ?? ''] ?? 'ignored', title };
  if (letter === 'a' && argument === 'c') return { field: 'ignored', title }; // the proxy that connected
  if (argument !== undefined && letter !== 'p') return { field: 'ignored', title };
  return { field: byLetter[letter] ?? 'ignored', title };
}

/** Number of spaces in a strftime format. */
function blanksOf(format: string): number {
  return format.split(' ').length - 1;
}

const epochUnits: Readonly<Record<string, number>> = { sec: 1_000, msec: 1, usec: 1e-3 };

function timeOf(argument: string): { field: Field; kind?: TimeKind } {
  const format = argument.replace(/^(?:begin|end):/, '');
  const unitMs = epochUnits[format];
  if (unitMs !== undefined) return { field: 'time', kind: { kind: 'epoch', unitMs } };
  if (format === '%z') return { field: 'zone' };
  if (!format.includes('%')) return { field: 'ignored' }; // msec_frac, usec_frac
  return { field: 'time', kind: { kind: 'strftime', format } };
}
