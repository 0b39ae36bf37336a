/**
 * The facts of the old data directory, each with what is right about it: which page, domain and visitor it counts for, or
 * why it does not count. All of that is written down here by hand, or follows from how the fact was made; no rule of the
 * system is asked. Deterministic.
 */
import { lcg } from '../random.js';

/** When a fact was sent: before the first batch run, before the second, or after it. */
export type Phase = 1 | 2 | 3;

/** One fact of the data directory, in the order it was sent. A line of facts.ndjson. */
export type Stated =
  | {
      readonly kind: 'view';
      readonly phase: Phase;
      readonly page: string;
      readonly domain: string;
      readonly visitor: string;
      /** UTC ms. */
      readonly time: number;
      /** Why it does not count: it is not in any answer. */
      readonly not?: 'repeat' | 'bot' | 'no pageview';
      /** As it is posted, or as it stands in a log file. */
      readonly sent: Readonly<Record<string, unknown>> | string;
    }
  | {
      readonly kind: 'equiv' | 'retract';
      readonly phase: Phase;
      readonly a: string;
      readonly b: string;
      readonly time: number;
      readonly sent: Readonly<Record<string, unknown>>;
    };

type View = Extract<Stated, { kind: 'view' }>;

const hourMs = 3_600_000;
/** Six hours around the end of a leap day. */
const start = Date.UTC(2024, 1, 29, 21);
const browser = 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0';
const bot = 'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)';

/** Each page with its domain, and the spellings that are sent for it. */
const pages: readonly (readonly [page: string, domain: string, ...spellings: string[]])[] = [
  [
    'https://example.com/',
    'example.com',
    'https://example.com',
    'HTTPS://EXAMPLE.com:443/',
    'https://user:pw@example.com/#top',
    'https://example.com/?utm_source=letter',
  ],
  [
    'https://example.com/a/b',
    'example.com',
    'https://example.com/a/./b',
    'https://example.com/a/x/../b',
    'https://example.com/a/b/',
    'https://example.com/%61/b',
  ],
  [
    'https://shop.example.com/%C3%9Cber%20uns',
    'example.com',
    'https://shop.example.com/Über uns',
    'https://shop.example.com/%c3%9cber%20uns',
  ],
  ['https://shop.example.com/~anna', 'example.com', 'https://shop.example.com/%7Eanna'],
  [
    'https://xn--bcher-kva.example/%E6%97%A5%E6%9C%AC',
    'xn--bcher-kva.example',
    'https://BÜCHER.example/日本',
    'https://bücher.example/%e6%97%a5%E6%9C%AC?q=1',
  ],
  ['https://example.org/%F0%9F%98%80', 'example.org', 'https://example.org/😀'],
  ['https://example.org/100%25', 'example.org', 'https://example.org/100%', 'https://example.org/100%25'],
  ['http://example.org:8080/x', 'example.org', 'http://example.org:8080/x/', 'http://example.ORG:8080/x#y'],
  ['http://192.0.2.7/status', '192.0.2.7', 'http://192.0.2.7:80/status'],
];

/** Ids in pairs and more that edges join; beyond ASCII, in an order that UTF-16 would not give. */
const oddIds = ['user:zoë', 'cookie:日本', 'user:\u{1f600}', 'user:\uff21', 'gerät:№ 7', 'user:o\u2019hara'];

export function makeFacts(): Stated[] {
  const random = lcg(20240229);
  const pick = <T>(from: readonly [T, ...T[]] | readonly T[]): T => {
    const picked = from[Math.floor(random() * from.length)];
    if (picked === undefined) throw new Error('nothing to pick from');
    return picked;
  };
  const stated: Stated[] = [];
  const visitors = [...Array.from({ length: 60 }, (_, i) => `cookie:${i + 1}`), ...oddIds];
  let number = 0;

  const view = (phase: Phase, visitor: string, time: number, agent = browser): View => {
    const [page, domain, ...spellings] = pick(pages);
    const eventId = `e${++number}`;
    const sent = {
      type: 'pageview',
      visitor,
      url: pick(spellings),
      timestamp: time,
      eventId,
      userAgent: agent,
    };
    return { kind: 'view', phase, page, domain, visitor, time, sent };
  };
  const views = (phase: Phase, count: number): void => {
    for (let i = 0; i < count; i++) {
      stated.push(view(phase, pick(visitors), start + Math.floor(random() * 6 * hourMs)));
    }
  };
  const bots = (phase: Phase, count: number): void => {
    for (let i = 0; i < count; i++)
      stated.push({ ...view(phase, pick(visitors), start + i * 1000, bot), not: 'bot' });
  };
  /** The very same facts again: partition, event id, visitor and page are equal. */
  const repeats = (phase: Phase, count: number, of: Phase): void => {
    const sent = stated.filter(
      (one): one is View => one.kind === 'view' && one.phase === of && one.not === undefined,
    );
    for (let i = 0; i < count; i++) {
      const one = sent[i * 7];
      if (one !== undefined) stated.push({ ...one, phase, not: 'repeat' });
    }
  };
  /** In their own hours, of years ago. */
  const late = (phase: Phase, count: number): void => {
    for (let i = 0; i < count; i++)
      stated.push(view(phase, pick(visitors), Date.UTC(2022, 11, 31, 23, 59, 59, 999) + i * 40 * 60_000));
  };
  let edges = 0;
  const edge = (phase: Phase, kind: 'equiv' | 'retract', a: string, b: string): void => {
    const time = start + 7 * hourMs + ++edges * 1000;
    stated.push({
      kind,
      phase,
      a,
      b,
      time,
      sent: { type: kind, a, b, timestamp: time, eventId: `edge${edges}` },
    });
  };

  views(1, 240);
  for (let i = 1; i < 24; i += 2) edge(1, 'equiv', `cookie:${i}`, `cookie:${i + 1}`);
  edge(1, 'equiv', 'user:\u{1f600}', 'user:\uff21');
  edge(1, 'equiv', 'cookie:3', 'user:zoë');
  edge(1, 'retract', 'cookie:6', 'cookie:5');
  edge(1, 'equiv', 'cookie:30', 'cookie:31');
  repeats(1, 10, 1);
  bots(1, 8);

  views(2, 150);
  late(2, 20);
  edge(2, 'equiv', 'cookie:2', 'gerät:№ 7');
  edge(2, 'equiv', 'cookie:日本', 'user:\uff21');
  edge(2, 'retract', 'cookie:30', 'cookie:31'); // joined in the first view
  edge(2, 'equiv', 'cookie:5', 'cookie:6'); // taken back in the first view
  repeats(2, 6, 1);
  stated.push(...logLines());

  views(3, 120);
  late(3, 12);
  repeats(3, 5, 2);
  repeats(3, 4, 3);
  bots(3, 3);
  edge(3, 'equiv', 'cookie:1', 'user:o\u2019hara');
  edge(3, 'equiv', 'cookie:40', 'cookie:41');
  edge(3, 'equiv', 'cookie:41', 'cookie:42');
  edge(3, 'retract', 'cookie:9', 'cookie:10'); // joined in both views
  return stated;
}

/** Lines of a web server's log of www.example.net, in the combined format. */
function logLines(): View[] {
  const line = (
    address: string,
    minute: number,
    request: string,
    path: string,
    { status = 200, agent = browser, not }: { status?: number; agent?: string; not?: View['not'] } = {},
  ): View => ({
    kind: 'view',
    phase: 2,
    page: `https://www.example.net${path}`,
    domain: 'example.net',
    visitor: `ip:${address}`,
    time: Date.UTC(2024, 1, 29, 22, minute, 5),
    ...(not === undefined ? {} : { not }),
    sent: `${address} - - [29/Feb/2024:22:${String(minute).padStart(2, '0')}:05 +0000] "${request} HTTP/1.1" ${status} 512 "-" "${agent}"`,
  });
  return [
    line('192.0.2.10', 1, 'GET /', '/'),
    line('192.0.2.10', 2, 'GET /preise?a=1', '/preise'),
    line('192.0.2.11', 3, 'GET /preise/', '/preise'),
    line('198.51.100.4', 4, 'GET /%7Eanna/caf%c3%a9', '/~anna/caf%C3%A9'),
    line('198.51.100.4', 5, 'GET /', '/', { status: 304 }),
    line('203.0.113.9', 6, 'GET /', '/', { agent: bot, not: 'bot' }),
    line('203.0.113.9', 7, 'POST /preise', '/preise', { not: 'no pageview' }),
    line('203.0.113.9', 8, 'GET /gone', '/gone', { status: 404, not: 'no pageview' }),
    line('203.0.113.9', 9, 'GET /logo.png', '/logo.png', { not: 'no pageview' }),
  ];
}
