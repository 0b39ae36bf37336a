/**
 * Application Load Balancer of AWS: `https <time> <balancer> <client:port> ... "GET https://host:443/a HTTP/1.1" "agent" ...`. The first field is the
 * time of the response; the pageview gets the time of the request (field request_creation_time) if the line has one.
 * https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html
 */
import { unescapeTarget, unescapeText } from '../fields/escapes.js';
import { parseRequestLine } from '../fields/request-line.js';
import { IsoTimes } from '../fields/iso-times.js';
import { present, refused, type LogFormat, type Parsed } from '../request.js';

export const alb: LogFormat = {
  name: 'alb',
  title: 'AWS Application Load Balancer',
  start() {
    const times = new IsoTimes();
    return (line) => parse(line, times);
  },
};

const begin =
  /^(?:http|https|h2|ws|wss|grpc|grpcs) (\d{4}-\d\d-\d\dT\S+) \S+ (\S+) \S+ \S+ \S+ \S+ (\S+) \S+ \S+ \S+ /;
const place = { agent: 1, creationTime: 9 } as const;
const field = /"((?:[^"\\]|\\.)*)" ?|(\S+) ?/y;

function parse(line: string, times: IsoTimes): Parsed {
  const match = begin.exec(line);
  if (match === null) return refused('the line does not start like a load balancer log line', line);
  const [head, responseTime = '', client, status] = match;
  const fields = fieldsFrom(line, head.length);
  const [requestText = ''] = fields;
  if (fields.length < 2) return refused('the line ends within the request', line.slice(head.length));
  const timeText = fields[place.creationTime];
  const time = times.read(timeText !== undefined && /^\d{4}-/.test(timeText) ? timeText : responseTime);
  if (time === undefined) return refused('cannot parse the time', timeText ?? responseTime);
  const { method, target } = parseRequestLine(requestText);
  const [, scheme, host, path] = /^(https?|wss?):\/\/([^/?#]+)(.*)$/i.exec(target ?? '') ?? [];
  const agent = present(fields[place.agent]);
  return {
    kind: 'request',
    address: present(client),
    time,
    method,
    target:
      target === undefined
        ? undefined
        : unescapeTarget(path === undefined ? target : path.startsWith('/') ? path : `/${path}`),
    status: present(status),
    host: host?.replace(/:(?:80|443)$/, ''),
    scheme: scheme === undefined ? undefined : /s$/i.test(scheme) ? 'https' : 'http',
    userAgent: agent === undefined ? undefined : unescapeText(agent),
  };
}

/** The fields from a position on, up to the last one that is used. */
function fieldsFrom(line: string, from: number): string[] {
  const fields: string[] = [];
  field.lastIndex = from;
  while (fields.length <= place.creationTime) {
    const match = field.exec(line);
    if (match === null) break;
    fields.push(match[1] ?? match[2] ?? '');
  }
  return fields;
}
