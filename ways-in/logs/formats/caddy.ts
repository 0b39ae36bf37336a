/** Caddy's access log in JSON. https://caddyserver.com/docs/caddyfile/directives/log */
import { parseIso } from '../fields/time-formats.js';
import { headerIn, isObject, isRefusal, parseJsonLine, textIn, type JsonObject } from '../json-line.js';
import { passed, refused, type LogFormat, type Parsed } from '../request.js';

export const caddy: LogFormat = { name: 'caddy', title: 'Caddy, JSON', isJson: true, start: () => parse };

function parse(line: string): Parsed {
  const entry = parseJsonLine(line);
  if (isRefusal(entry)) return entry;
  const { request } = entry;
  if (!isObject(request) || typeof request['uri'] !== 'string') {
    const isOurs = 'level' in entry && ('msg' in entry || 'logger' in entry);
    return isOurs ? passed('message that is not a request') : refused('the line has no request.uri', line);
  }
  const time = timeOf(entry);
  if (time === undefined) return refused('cannot parse the time (ts)', textIn(entry, 'ts') ?? '');
  const { headers } = request;
  const status = textIn(entry, 'status');
  return {
    kind: 'request',
    // `client_ip` respects the trusted proxies of Caddy's configuration; before Caddy 2.5 there was only `remote_addr`, with a port.
    address: textIn(request, 'client_ip') ?? textIn(request, 'remote_ip') ?? textIn(request, 'remote_addr'),
    forwardedFor: headerIn(headers, 'X-Forwarded-For'),
    user: textIn(entry, 'user_id'),
    time,
    method: textIn(request, 'method'),
    target: textIn(request, 'uri'),
    status: status === '0' ? '200' : status, // nothing was written, which the client sees as 200
    host: textIn(request, 'host'),
    scheme: headerIn(headers, 'X-Forwarded-Proto') ?? (isObject(request['tls']) ? 'https' : 'http'),
    referrer: headerIn(headers, 'Referer'),
    userAgent: headerIn(headers, 'User-Agent'),
  };
}

/** UTC ms of `ts`: seconds by default; the configuration may set another unit or a text (`time_format`). */
function timeOf(entry: JsonObject): number | undefined {
  const { ts } = entry;
  if (typeof ts === 'number') return Math.floor(ts > 1e14 ? ts / 1e6 : ts > 1e11 ? ts : ts * 1_000);
  const time = typeof ts === 'string' ? parseIso(ts) : Number.NaN;
  return Number.isFinite(time) ? time : undefined;
}
