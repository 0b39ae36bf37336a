/** A combined log as facts: a reading of its own, in the plainest way, of what an import must make of it. */
import type { Pageview } from '../facts/fact.js';

const monthNames = 'JanFebMarAprMayJunJulAugSepOctNovDec';
const staticFile =
  /\.(png|jpe?g|gif|ico|svg|webp|avif|bmp|css|m?js|map|json|woff2?|ttf|eot|otf|mp[34]|webm|ogg|avi|mov|swf|zip|t?gz|bz2|xz|tar|rar|7z|jar|exe|dmg|deb|rpm|iso|bin)$/i;

/** The pageviews of a combined log by the default options. Equal lines are as many views. */
export function factsOfLines(log: string, host: string): Pageview[] {
  const facts: Pageview[] = [];
  for (const line of log.split('\n')) {
    const quoted = line.split('"');
    if (quoted.length % 2 === 0) continue; // cut off within a field
    const [method, target] = (quoted[1] ?? '').split(' ');
    const status = (quoted[2] ?? '').trim().split(' ')[0] ?? '';
    if (method !== 'GET' || target === undefined || !(status.startsWith('2') || status === '304')) continue;
    const path = target.replace(/[?#].*$/s, '');
    if (path === '/robots.txt' || staticFile.test(path)) continue;
    const time = /\[(\d+)\/(\w+)\/(\d+):(\d+):(\d+):(\d+) \+0000\]/.exec(line);
    if (time === null) throw new Error(`cannot read the time of: ${line}`);
    const [year, day, hour, minute, second] = [time[3], time[1], time[4], time[5], time[6]].map(Number);
    const month = monthNames.indexOf(time[2] ?? '') / 3;
    const [referrer, agent] = [quoted[3] ?? '-', quoted[5] ?? '-'];
    facts.push({
      type: 'pageview',
      visitor: `ip:${line.split(' ')[0] ?? ''}`,
      url: `https://${host}${target}`,
      timestamp: Date.UTC(year ?? 0, month, day, hour, minute, second),
      eventId: String(facts.length),
      receivedAt: 0,
      ...(referrer === '-' || referrer === '' ? {} : { referrer }),
      ...(agent === '-' ? {} : { userAgent: agent }),
    });
  }
  return facts;
}
