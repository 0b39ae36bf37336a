/** Traefik's access log in JSON. https://doc.traefik.io/traefik/observability/access-logs/ */
import { IsoTimes } from '../fields/iso-times.js';
import { isRefusal, parseJsonLine, textIn } from '../json-line.js';
import { passed, refused, type LogFormat, type Parsed } from '../request.js';

export const traefikJson: LogFormat = {
  name: 'traefik-json',
  title: 'Traefik, JSON',
  isJson: true,
  start() {
    const times = new IsoTimes();
    return (line) => parse(line, times);
  },
};

function parse(line: string, times: IsoTimes): Parsed {
  const entry = parseJsonLine(line);
  if (isRefusal(entry)) return entry;
  if (!('RequestPath' in entry)) {
    const isOurs = 'level' in entry && ('msg' in entry || 'message' in entry) && !('request' in entry);
    return isOurs
      ? passed('message that is not a request')
      : refused('the line has no field RequestPath', line);
  }
  const timeText = textIn(entry, 'StartUTC') ?? textIn(entry, 'StartLocal') ?? textIn(entry, 'time') ?? '';
  const time = times.read(timeText);
  if (time === undefined) return refused('cannot parse the time (StartUTC)', timeText);
  return {
    kind: 'request',
    // ClientHost is the whole X-Forwarded-For header if Traefik trusts it
    address: textIn(entry, 'ClientHost') ?? textIn(entry, 'ClientAddr'),
    forwardedFor: textIn(entry, 'request_X-Forwarded-For'),
    user: textIn(entry, 'ClientUsername'),
    time,
    method: textIn(entry, 'RequestMethod'),
    target: textIn(entry, 'RequestPath'),
    status: textIn(entry, 'DownstreamStatus'),
    host: textIn(entry, 'RequestHost') ?? textIn(entry, 'RequestAddr'),
    scheme: textIn(entry, 'RequestScheme'),
    referrer: textIn(entry, 'request_Referer'),
    userAgent: textIn(entry, 'request_User-Agent'),
  };
}
