/** What histories are made of: ids, pages, times, ways to write a fact as JSON, and records that are not facts. */
import { testErasures } from '../../facts/test/erasures.js';
import type { EquivEdge, ExclusionKind, ExclusionRule, Fact, Pageview } from '../../facts/fact.js';
import type { Topic } from '../../log/log.js';

/** The first hour of a month, so that the hours before lie in another day and another month. */
export const start = Date.UTC(2025, 2, 1);
const hourMs = 3_600_000;
const minuteMs = 60_000;

/** More than a coupon list holds at lgK 8; then ids that two encodings, orders or parsers may take differently. */
export const visitors: readonly string[] = [
  ...Array.from({ length: 40 }, (_, i) => `cookie:${i + 1}`),
  'user:0',
  'user:zoë',
  'USER:ZOË',
  'user:zoe\u0308',
  '\u{1F600}',
  '\u{1F600}\u{1F601}\u{1F602}\u{1F603}',
  '\uE000',
  '\uFFFD',
  '\uFEFFcookie:1',
  'cookie:1\uFEFF',
  'cookie:1 ',
  '"cookie:1"',
  'back\\slash',
  'line\u2028separator',
  `ip:${'2001:0db8:'.repeat(4)}1`,
  'x'.repeat(256),
  '\u{10FFFF}'.repeat(64),
  // placeholders, which count nowhere
  'null',
  'user:"Anonymous"',
];

/** Each page in several spellings; the last ones are refused. */
export const pages: readonly (readonly string[])[] = [
  [
    'https://example.com/',
    'https://example.com',
    'HTTPS://EXAMPLE.com:443/?utm=1#top',
    'https://u:p@example.com',
    'https://example.com/?utm_source=Letter&utm_campaign=May&utm_medium=mail',
    'https://example.com/?a=1&utm_source=%4cetter&utm_source=second',
    'https://example.com?utm_campaign=Summer+sale%21&utm_source=',
    'https://example.com/?utm_source=Ü+%FF%00x#utm_source=fragment',
    `https://example.com/?utm_source=${'ü'.repeat(70)}&utm_campaign=${'long'.repeat(40)}`,
    'https://example.com/?UTM_SOURCE=upper&xutm_source=other&utm_source=search.example',
    'https://example.com/#?utm_source=fragment',
    'https://example.com/?utm_campaign=May',
  ],
  [
    'https://example.com/a',
    'https://example.com/a/',
    'https://example.com/%61',
    'https://example.com/b/../a?q=1',
    'https://example.com/a?utm_source=letter',
    'https://example.com/a?utm_source=example.com',
  ],
  ['http://www.example.org/%C3%BC', 'http://www.example.org/ü', 'http://WWW.example.org:80/%c3%bc'],
  ['http://blog.example.co.uk/x', 'http://blog.example.co.uk/x#y'],
  ['http://shop.example.co.uk/x'],
  ['http://127.0.0.1/x', 'http://127.1/x'],
  ['https://xn--bcher-kva.example/'],
  [`https://example.com/${'long/'.repeat(300)}end`],
  ['ftp://example.com/a', 'https://', 'mailto:a@example.com', `https://example.com/${'x'.repeat(5_000)}`],
];

const minutes = [0, 0.001, 7, 14.999, 15, 29.999, 30, 59.999];
const hours = [1, 0, -1, 2, -25, -9_600]; // 9,600 hours are 400 days
export const times: readonly number[] = hours.flatMap((hour) =>
  minutes.map((minute) => start + hour * hourMs + Math.round(minute * minuteMs)),
);
export const lateBefore = start - 300 * 24 * hourMs;

/** Strings of the kinds there are: tagged by a bot rule, of families and versions, none. */
const crawler = 'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)';
const agents = [
  undefined,
  crawler,
  'Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0',
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0',
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36',
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1',
  '',
  'ü',
];

const referrers = [
  undefined,
  'https://www.search.example/find?q=one',
  'HTTP://SEARCH.example:80',
  'https://u:p@news.search.example/a\\b',
  'https://example.com/a',
  'http://other.example.co.uk/x',
  'https://Bücher.example/ü',
  'android-app://com.example.app',
  'https://letter/',
  '',
  '/relative',
  `https://search.example/${'long/'.repeat(400)}`,
];

const imports = [undefined, 'import 1', 'import 2', 'import-é', ''];

const countries = [undefined, 'DE', 'de', 'US', '', 'Germany'];

export function pick<T>(from: readonly T[], at: number): T {
  const picked = from[at % from.length];
  if (picked === undefined) throw new RangeError('nothing to pick from');
  return picked;
}

/** What a pageview may say of the one who views and of where he comes from. */
const optionalTexts = {
  userAgent: agents,
  referrer: referrers,
  country: countries,
  importId: imports,
} as const;
export type OptionalText = keyof typeof optionalTexts;

/** The fact with one of its optional texts taken from the list of that. */
export function withText(fact: Pageview, text: OptionalText, at: number): Pageview {
  const { userAgent, referrer, country, importId, ...bare } = fact;
  const from = optionalTexts[text];
  const texts = { userAgent, referrer, country, importId, [text]: from[at % from.length] };
  return { ...bare, ...Object.fromEntries(Object.entries(texts).filter(([, value]) => value !== undefined)) };
}

// ---- What is excluded

/** By kind: texts that pageviews have, in their own spelling and in others, and one that none has. */
export const excludedValues: Readonly<Record<ExclusionKind, readonly string[]>> = {
  visitor: ['cookie:1', 'cookie:2', 'cookie:3', '\u{1F600}', 'user:zoë', '\uFEFFcookie:1', 'cookie:nobody'],
  erased: ['cookie:3', 'cookie:4', 'user:zoë', 'cookie:nobody'].map((id) => testErasures.valueOf(id)),
  importId: ['import 1', 'import 2', 'import-é', 'import 9'],
  urlPrefix: [
    'https://example.com/',
    'HTTPS://EXAMPLE.com:443/a',
    'https://example.com/a/',
    'http://www.example.org/%c3%bc',
    'http://blog.example.co.uk',
    'https://example.com/lo',
    'https://example.com/lo/',
    'https://example.net/',
    'no URL',
  ],
  userAgent: [
    'Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0',
    'Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101',
    'ü',
    crawler,
  ],
};

/** Limits of the times that are excluded; most often there is none. */
export const excludedTimes: readonly Pick<ExclusionRule, 'from' | 'to'>[] = [
  {},
  {},
  {},
  {},
  { from: start },
  { to: start + hourMs },
  { from: start + 7 * minuteMs, to: start + hourMs + 30 * minuteMs },
  { from: start - 26 * hourMs, to: start },
];

// ---- Ways to write a fact

export const forms = ['ours', 'spaced', 'reversed', 'escaped', 'twice', 'extra', 'fraction'] as const;

/** The bytes of a record that means the fact. U+FFFD is written as what is no UTF-8. */
export function write(fact: Fact, form: (typeof forms)[number]): Uint8Array {
  return bytesOf(writers[form](fact));
}

const writers: Readonly<Record<(typeof forms)[number], (fact: Fact) => string>> = {
  ours: (fact) => JSON.stringify(fact),
  spaced: (fact) => ` ${JSON.stringify(fact, null, 1)}\n`,
  reversed: (fact) => JSON.stringify(Object.fromEntries(Object.entries(fact).toReversed())),
  escaped: (fact) =>
    JSON.stringify(fact).replace(
      /[^\x20-\x7e]|e/g,
      (text) => `\\u${text.charCodeAt(0).toString(16).padStart(4, '0')}`,
    ),
  twice: (fact) => `{"timestamp":1,"visitor":"nobody:1","a":"nobody:2",${JSON.stringify(fact).slice(1)}`,
  extra: (fact) =>
    `${JSON.stringify(fact).slice(0, -1)},"":{"deep":[1,{"visitor":"x"}]},"offset":7,"raw":"x"}`,
  fraction: (fact) => JSON.stringify(fact).replace(/"timestamp":(\d+)/, '"timestamp":$1.0'),
};

function bytesOf(json: string): Uint8Array {
  const [first = '', ...rest] = json.split('\uFFFD');
  return Buffer.concat([Buffer.from(first), ...rest.flatMap((part) => [Buffer.of(0xff), Buffer.from(part)])]);
}

// ---- Records that are not facts

const view: Pageview = {
  type: 'pageview',
  visitor: 'cookie:0',
  url: 'https://example.com/',
  timestamp: start,
  eventId: 'invalid',
  receivedAt: start,
};
const edge: EquivEdge = { ...view, type: 'equiv', a: 'cookie:0', b: 'cookie:1' };
const json = (topic: Topic, value: unknown): readonly [Topic, string] => [topic, JSON.stringify(value)];

export const invalidRecords: readonly (readonly [Topic, string])[] = [
  ['pageviews', ''],
  ['pageviews', 'not JSON'],
  ['equivs', '{"type":"equiv"'],
  ['pageviews', `\uFEFF${JSON.stringify(view)}`],
  ['pageviews', JSON.stringify(view).replace('cookie', 'cook\u0000ie')],
  json('pageviews', null),
  json('equivs', [edge]),
  json('pageviews', edge),
  json('equivs', view),
  json('pageviews', { ...view, type: 'click' }),
  json('pageviews', { ...view, visitor: '' }),
  json('pageviews', { ...view, visitor: 7 }),
  json('pageviews', { ...view, visitor: 'x'.repeat(257) }),
  json('pageviews', { ...view, visitor: '€'.repeat(86) }), // 258 bytes
  json('pageviews', { ...view, visitor: 'bell\u0007' }),
  json('pageviews', { ...view, visitor: 'half\ud83d' }),
  json('pageviews', { ...view, visitor: undefined }),
  json('pageviews', { ...view, url: ['https://example.com/'] }),
  json('pageviews', { ...view, eventId: '' }),
  json('pageviews', { ...view, userAgent: 5 }),
  json('pageviews', { ...view, referrer: ['https://search.example/'] }),
  json('pageviews', { ...view, receivedAt: undefined }),
  ...[-1, 0.5, 0, start / 1_000, 1e15, 1e300, null, '2025-03-01T00:00:00Z'].map((timestamp) =>
    json('pageviews', { ...view, timestamp }),
  ),
  json('equivs', { ...edge, b: 'cookie:0' }),
  json('equivs', { ...edge, a: { id: 'cookie:0' } }),
  json('equivs', { ...edge, timestamp: 1e16 }),
  json('equivs', { ...edge, type: 'exclude' }),
  json('equivs', { ...edge, type: 'exclude', by: 'url', value: 'https://example.com/' }),
  json('equivs', { ...edge, type: 'exclude', by: 'visitor', value: '' }),
  json('equivs', { ...edge, type: 'include', by: 'visitor', value: 'null' }),
  json('equivs', { ...edge, type: 'exclude', by: 'visitor', value: 'cookie:1', from: 0.5 }),
  json('pageviews', { ...edge, type: 'exclude', by: 'visitor', value: 'cookie:1' }),
];

export function invalidBytes(at: number): { readonly topic: Topic; readonly value: Uint8Array } {
  const [topic, text] = pick(invalidRecords, at);
  return { topic, value: Buffer.from(text) };
}
