/**
 * CloudFront's standard log: W3C extended, separated by tabs. Special characters are percent-encoded, including percent signs. The site is
 * in x-host-header. https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/AccessLogs.html
 */
import { IsoTimes } from '../fields/iso-times.js';
import { TextMemo } from '../fields/text-memo.js';
import { passed, refused, type LogFormat, type ParseLine, type Parsed } from '../request.js';
import { placesOf, wallMs, type Column, type Places } from './w3c.js';

export const cloudfront: LogFormat = {
  name: 'cloudfront',
  title: 'CloudFront, standard log',
  start(): ParseLine {
    let places: Places | undefined;
    const times = new IsoTimes();
    const texts = new TextMemo(decoded);
    return (line): Parsed => {
      if (line.startsWith('#')) {
        const fields = /^#Fields:\s*(.*)$/.exec(line)?.[1];
        if (fields !== undefined) places = placesOf(fields, /\s+/);
        return passed('comment');
      }
      if (places === undefined) return refused('no #Fields line before this line', line);
      const values = line.split('\t');
      if (values.length < places.count)
        return refused(
          'the line does not have as many fields as #Fields names',
          `${values.length} instead of ${places.count}`,
        );
      return requestOf(values, places, times, texts);
    };
  },
};

function requestOf(
  values: readonly string[],
  places: Places,
  times: IsoTimes,
  texts: TextMemo<string>,
): Parsed {
  const text = (column: Column): string | undefined => {
    const value = values[places[column]];
    return value === undefined || value === '-' || value === '' ? undefined : value;
  };
  const date = text('date') ?? '';
  const time = text('time') ?? '';
  const at = wallMs(date, time, times);
  if (at === undefined) return refused('cannot parse date and time', `${date} ${time}`);
  const stem = text('stem');
  const query = text('query');
  const protocol = text('scheme');
  const [referrer, agent] = [text('referrer'), text('userAgent')];
  return {
    kind: 'request',
    address: text('address'),
    forwardedFor: text('forwardedFor'),
    time: at,
    method: text('method'),
    target: stem === undefined ? undefined : decodedTarget(query === undefined ? stem : `${stem}?${query}`),
    status: text('status'),
    host: text('host'),
    scheme: protocol === 'https' || protocol === 'wss' ? 'https' : 'http',
    referrer: referrer === undefined ? undefined : texts.get(referrer),
    userAgent: agent === undefined ? undefined : texts.get(agent),
    eventId: text('eventId'),
  };
}

/** Undoes the log's percent-encoding once. */
function decoded(text: string): string {
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // bytes that are not UTF-8 stay as they are written
  }
}

/** Decodes a URL: the log writes the client's percent signs as `%25`; all other percent codes are the client's own. */
function decodedTarget(text: string): string {
  return text.replaceAll('%25', '%');
}
