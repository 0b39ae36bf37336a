/** nginx's log_format: `$remote_addr - $remote_user [$time_local] "$request"`. https://nginx.org/en/docs/http/ngx_http_log_module.html */
import { SwaError } from '../../../lib/errors/errors.js';
import type { Part } from './compile.js';
import type { TimeKind } from '../fields/time-formats.js';
import type { Field } from '../text-shape.js';

const variable = /\$(?:\{(\w+)\}|(uri\$is_args\$(?:args|query_string))|(\w+))/g;

const byName: Readonly<Record<string, Field>> = {
  remote_addr: 'address',
  http_x_forwarded_for: 'forwardedFor',
  proxy_add_x_forwarded_for: 'forwardedFor',
  remote_user: 'user',
  time_local: 'time',
  time_iso8601: 'time',
  msec: 'time',
  request: 'request',
  request_method: 'method',
  request_uri: 'target',
  uri$is_args$args: 'target',
  uri$is_args$query_string: 'target',
  uri: 'path',
  document_uri: 'path',
  args: 'query',
  query_string: 'query',
  scheme: 'scheme',
  host: 'host',
  http_host: 'host',
  server_name: 'host',
  server_port: 'port',
  status: 'status',
  http_referer: 'referrer',
  http_user_agent: 'userAgent',
  request_id: 'eventId',
  http_cf_ipcountry: 'country',
  geoip_country_code: 'country',
  geoip2_data_country_code: 'country',
};

const times: Readonly<Record<string, TimeKind>> = {
  time_local: { kind: 'clf' },
  time_iso8601: { kind: 'iso' },
  msec: { kind: 'epoch', unitMs: 1_000 },
};

/** Parses a format into its parts and the format of its time. Throws `usage.invalid` if it has no variables. */
export function readNginx(format: string): { parts: Part[]; time: TimeKind } {
  const parts: Part[] = [];
  let time: TimeKind | undefined;
  let at = 0;
  for (const match of format.matchAll(variable)) {
    if (match.index > at) parts.push(format.slice(at, match.index));
    at = match.index + match[0].length;
    const name = match[1] ?? match[2] ?? match[3] ?? '';
    const kind = times[name];
    // A second time field is ignored.
    const field = kind !== undefined && time !== undefined ? 'ignored' : (byName[name] ?? 'ignored');
    time ??= kind;
    parts.push({ field, title: match[0], blanks: name === 'time_local' ? 1 : 0 });
  }
  if (at === 0) throw new SwaError('usage.invalid', `the log format has no fields: '${format}'`);
  if (at < format.length) parts.push(format.slice(at));
  return { parts, time: time ?? { kind: 'clf' } };
}
