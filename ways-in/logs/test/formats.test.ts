/** Every format reads at least one line from its documentation, and the difficult cases of the format. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { logFormats } from '../formats.js';
import type { LogOptions } from '../log-files.js';
import { readLog, viewOf } from './reading.js';

const host = 'www.example.org';
const at = Date.UTC(2015, 4, 18, 8, 5, 3);
const firefox = 'Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0';
const tail = `"-" "${firefox}"`;
const clf = (request: string): string => `- - [18/May/2015:10:05:03 +0200] "${request}" 200 512`;

interface Case {
  readonly format: string;
  readonly lines: readonly string[];
  readonly options?: Partial<LogOptions>;
  /** Of the last line. */
  readonly view: Readonly<Record<string, unknown>>;
}

const page = { type: 'pageview', visitor: 'ip:192.0.2.7', timestamp: at };

const cases: readonly Case[] = [
  {
    format: 'common',
    lines: [`192.0.2.7 ${clf('GET /apache_pb HTTP/1.0')}`],
    options: { host },
    view: { ...page, url: `https://${host}/apache_pb` },
  },
  {
    format: 'combined',
    lines: [
      `192.0.2.7 ${clf('GET /apache_pb HTTP/1.0')} "http://www.example.com/start.html" "Mozilla/4.08 [en] (Win98; I ;Nav)"`,
    ],
    options: { host },
    view: {
      ...page,
      url: `https://${host}/apache_pb`,
      referrer: 'http://www.example.com/start.html',
      userAgent: 'Mozilla/4.08 [en] (Win98; I ;Nav)',
    },
  },
  {
    format: 'vhost_combined',
    lines: [`www.example.org:443 192.0.2.7 ${clf('GET /a?b=1 HTTP/1.1')} "-" "a \\"q\\""`],
    view: { ...page, url: `https://${host}/a?b=1`, userAgent: 'a "q"' },
  },
  {
    format: 'vhost_combined',
    lines: [`www.example.org 192.0.2.7 ${clf('GET /a HTTP/1.1')} ${tail}`],
    view: { ...page, url: `https://${host}/a`, userAgent: firefox },
  },
  {
    format: 'forwarded',
    lines: [`198.51.100.1 ${clf('GET /a HTTP/1.1')} ${tail} "203.0.113.9, 192.0.2.7"`],
    options: { host },
    view: { ...page, url: `https://${host}/a`, userAgent: firefox },
  },
  {
    // Traefik's common format, and its genericCLF, which ends at the agent
    format: 'combined',
    lines: [
      '192.0.2.7 - - [18/May/2015:08:05:03 +0000] "GET /a HTTP/2.0" 200 5 "-" "-" 1 "web@file" "http://192.0.2.1" 3ms',
    ],
    options: { host },
    view: { ...page, url: `https://${host}/a` },
  },
  {
    // varnishncsa writes whole URLs, always with http
    format: 'combined',
    lines: [`192.0.2.7 ${clf(`GET http://${host}/a HTTP/1.1`)} ${tail}`],
    options: { host },
    view: { ...page, url: `https://${host}/a`, userAgent: firefox },
  },
  {
    format: 'caddy',
    lines: [
      '{"level":"info","ts":1431936303.12,"logger":"http.log.access.log0","msg":"handled request","request":{"remote_ip":"198.51.100.1","client_ip":"192.0.2.7","method":"GET","host":"www.example.org","uri":"/a?b=1","headers":{"User-Agent":["x"],"Referer":["https://r.example/"]},"tls":{}},"user_id":"","duration":0.1,"size":5,"status":200}',
    ],
    view: {
      ...page,
      timestamp: at + 120,
      url: `https://${host}/a?b=1`,
      userAgent: 'x',
      referrer: 'https://r.example/',
    },
  },
  {
    // before Caddy 2.5, behind Docker Compose
    format: 'caddy',
    lines: [
      'caddy  | {"level":"info","ts":1431936303,"logger":"http.log.access","request":{"remote_addr":"192.0.2.7:51234","method":"GET","host":"www.example.org:8080","uri":"/a","headers":{}},"status":0}',
    ],
    view: { ...page, url: `http://${host}:8080/a` },
  },
  {
    format: 'nginx-json',
    lines: [
      '{"time":"2015-05-18T10:05:03+02:00","remote_addr":"192.0.2.7","request":"GET /café HTTP/1.1","status":"200","host":"www.example.org","http_user_agent":"a \\"q\\"","http_referer":""}',
    ],
    view: { ...page, url: `https://${host}/café`, userAgent: 'a "q"' },
  },
  {
    // a template without escape=json: bytes as \xHH, and nothing for a missing number
    format: 'nginx-json',
    lines: [
      '{"msec":1431936303.000,"remote_addr":"192.0.2.7","request_method":"GET","request_uri":"/a","status":200,"upstream_time":,"host":"www.example.org","scheme":"http","http_user_agent":"a \\x22q\\x22 \\xC3\\xA9"}',
    ],
    view: { ...page, url: `http://${host}/a`, userAgent: 'a "q" é' },
  },
  {
    format: 'traefik-json',
    lines: [
      '{"ClientAddr":"192.0.2.7:4711","ClientHost":"192.0.2.7","ClientUsername":"-","DownstreamStatus":200,"Duration":3000000,"RequestHost":"www.example.org","RequestMethod":"GET","RequestPath":"/a?b=1","RequestProtocol":"HTTP/2.0","RequestScheme":"https","StartUTC":"2015-05-18T08:05:03.123456789Z","request_User-Agent":"x","level":"info","msg":"","time":"2015-05-18T08:05:03Z"}',
    ],
    view: { ...page, timestamp: at + 123, url: `https://${host}/a?b=1`, userAgent: 'x' },
  },
  {
    format: 'w3c',
    lines: [
      '#Software: Microsoft Internet Information Services 10.0',
      '#Version: 1.0',
      '#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) cs(Referer) sc-status sc-substatus sc-win32-status time-taken',
      '2015-05-18 08:05:03 198.51.100.1 GET /a b=1 443 - 192.0.2.7 Mozilla/5.0+(Windows+NT+10.0) https://r.example/ 200 0 0 15',
    ],
    options: { host },
    view: {
      ...page,
      url: `https://${host}/a?b=1`,
      userAgent: 'Mozilla/5.0 (Windows NT 10.0)',
      referrer: 'https://r.example/',
    },
  },
  {
    // IIS Advanced Logging: local times, texts in quotes
    format: 'w3c',
    lines: [
      '#Fields:   date-local time-local cs-method cs-uri-stem c-ip cs(User-Agent) cs(Host) sc-status',
      '2015-05-18 10:05:03.250 GET /a "192.0.2.7" "Mozilla ""5"" (X11)" "www.example.org" 200',
    ],
    options: { zone: 'Europe/Berlin' },
    view: { ...page, timestamp: at + 250, url: `https://${host}/a`, userAgent: 'Mozilla "5" (X11)' },
  },
  {
    format: 'cloudfront',
    lines: [
      '#Version: 1.0',
      '#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status cs(Referer) cs(User-Agent) cs-uri-query cs(Cookie) x-edge-result-type x-edge-request-id x-host-header cs-protocol',
      '2015-05-18\t08:05:03\tFRA2\t9\t192.0.2.7\tGET\td111111abcdef8.cloudfront.net\t/a%2520b\t200\t-\tMozilla/5.0%20(X11)\tx=%252C\t-\tHit\tSOX4xwn4XV6Q4rgb7XiVGOHms_BGlTAC4KyHmureZmBNrjGdRLiNIQ==\twww.example.org\thttps',
    ],
    view: {
      ...page,
      url: `https://${host}/a%20b?x=%2C`,
      userAgent: 'Mozilla/5.0 (X11)',
      eventId: 'SOX4xwn4XV6Q4rgb7XiVGOHms_BGlTAC4KyHmureZmBNrjGdRLiNIQ==',
    },
  },
  {
    format: 'alb',
    lines: [
      'https 2015-05-18T08:05:04.135000Z app/my-loadbalancer/50dc6c495c0c9188 192.0.2.7:2817 10.0.0.1:80 0.086 0.048 0.037 200 200 0 57 "GET https://www.example.org:443/a?b=1 HTTP/1.1" "curl/7.46.0" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/my-targets/73e2d6bc24d8a067 "Root=1-58337281-1d84f3d73c47ec4e58577259" "www.example.org" "arn:aws:acm:us-east-2:123456789012:certificate/12345678-1234-1234-1234-123456789012" 1 2015-05-18T08:05:03.000000Z "authenticate,forward" "-" "-" "10.0.0.1:80" "200" "-" "-"',
    ],
    view: { ...page, url: `https://${host}/a?b=1`, userAgent: 'curl/7.46.0' },
  },
];

for (const { format, lines, options = {}, view } of cases) {
  test(`${format}: ${(lines.at(-1) ?? '').slice(0, 60)}`, () => {
    const asked = readLog(lines, format, options);
    assert.deepEqual(asked.results.at(-1), view);
    for (const result of asked.results.slice(0, -1)) assert.equal(result, 'filtered: comment');
    const told = readLog(lines, 'auto', options);
    assert.equal(told.about['format'], `${format} (detected)`);
    assert.deepEqual(told.results, asked.results);
  });
}

test('every format is held to lines of its own', () => {
  assert.deepEqual(
    logFormats.map(({ name }) => name).filter((name) => !cases.some(({ format }) => format === name)),
    [],
  );
});

test('requests that are none are counted apart, whatever bytes they are', () => {
  const lines = ['-', '', '\\x16\\x03\\x01\\x02', 'MGLNDD_192.0.2.1_443', '\\n', 'GET'].map(
    (request) => `192.0.2.7 - - [18/May/2015:10:05:03 +0200] "${request}" 400 0 "-" "-"`,
  );
  for (const result of readLog(lines, 'combined', { host }).results)
    assert.equal(result, 'filtered: not a request');
});

test("a target is the site's page, however it is written", () => {
  for (const [request, url] of [
    ['GET /a b HTTP/1.1', '/a b'],
    ['GET /caf\\xc3\\xa9 HTTP/1.1', '/caf%C3%A9'],
    ['GET /caf\\xE9\\"x\\\\ HTTP/1.1', '/caf%E9%22x%5C'],
    ['GET /\\u00e9 HTTP/1.1', '/%C3%A9'],
    ['GET http://WWW.example.org:80/m HTTP/1.1', '/m'],
    ['GET /a', '/a'],
  ] as const)
    assert.equal(
      viewOf(`192.0.2.7 ${clf(request)} ${tail}`, 'combined', { host })['url'],
      `https://${host}${url}`,
    );
});

test('what does not fit the combined format is refused by the name of its field', () => {
  for (const [line, reason] of [
    [`203.0.113.7, 198.51.100.1 ${clf('GET / HTTP/1.1')} ${tail}`, 'the address is a list'],
    [`"203.0.113.7 ${clf('GET / HTTP/1.1')} ${tail}`, 'the address is not an IP address'],
    [
      `- - unauthenticated [18/May/2015:10:05:03 +0200] "GET / HTTP/1.1" 200 1 ${tail}`,
      'the address is not an IP address',
    ],
    [`host.example ${clf('GET / HTTP/1.1')} ${tail}`, 'the address is not an IP address'],
    [`www.example.org:80 203.0.113.7 ${clf('GET / HTTP/1.1')} ${tail}`, 'the user contains a space'],
    [
      `203.0.113.7 ${clf('GET / HTTP/1.1')} 0.000 "http://x.example/" "Googlebot/2.1"`,
      'the referrer is not in quotes',
    ],
    [
      `203.0.113.7 ${clf('GET / HTTP/1.1')} "-" "Mozilla/5`,
      'the user agent is not in quotes, or its last quote is missing',
    ],
    [`203.0.113.7 ${clf('GET / HTTP/1.1')} "-" "Mozilla "5" (X11)"`, 'a quote within a field is not escaped'],
    ['203.0.113.7 - - [18/May/2015:10:05:03 +0200] "GET / HTTP/1.1" 2000 1', 'the status is not a number'],
    ['203.0.113.7 - - [18/May/2015:25:05:03 +0200] "GET / HTTP/1.1" 200 1', 'cannot parse the time'],
    ['203.0.113.7 - - 18/May/2015 "GET / HTTP/1.1" 200 1', 'the line ends within the user'],
    ['203.0.113.7 - - [18/May/2015:10:05:03 +0200] GET / 200 1', 'the request is not in quotes'],
    ['', 'empty line'],
  ] as const) {
    const [result] = readLog([`192.0.2.1 ${clf('GET / HTTP/1.1')}`, line], 'combined', {
      host,
    }).results.slice(1);
    assert.ok(typeof result === 'string' && result.includes(reason), `${JSON.stringify(result)}: ${line}`);
  }
});

test('a dash without quotes, blanks doubled and a port are read as what they are', () => {
  const jetty = '203.0.113.8 -  -  [18/May/2015:10:05:03 +0200] "GET /jetty HTTP/1.1" 200 0 ';
  assert.equal(viewOf(`${jetty}${tail}`, 'combined', { host })['visitor'], 'ip:203.0.113.8');
  const bare = viewOf(
    `203.0.113.9:51234 ${clf('GET / HTTP/1.1')} - "curl/7.55.1" 5 "r" "http://10.0.0.5:80" 3ms`,
    'combined',
    { host },
  );
  assert.deepEqual(
    [bare['visitor'], bare['userAgent'], bare['referrer']],
    ['ip:203.0.113.9', 'curl/7.55.1', undefined],
  );
});

test('the client is so many addresses from the end of X-Forwarded-For as there are proxies', () => {
  const line = `198.51.100.1 ${clf('GET / HTTP/1.1')} ${tail} "203.0.113.66, 203.0.113.9, 192.0.2.7"`;
  for (const [trustedProxies, visitor] of [
    [0, 'ip:198.51.100.1'],
    [1, 'ip:192.0.2.7'],
    [2, 'ip:203.0.113.9'],
    [9, 'ip:203.0.113.66'],
  ] as const)
    assert.equal(viewOf(line, 'forwarded', { host, trustedProxies })['visitor'], visitor);
  const list = `203.0.113.66, 192.0.2.7 ${clf('GET / HTTP/1.1')} ${tail}`;
  assert.equal(viewOf(list, 'combined', { host, trustedProxies: 1 })['visitor'], 'ip:192.0.2.7');
  const direct = `198.51.100.1 ${clf('GET / HTTP/1.1')} ${tail} "-"`;
  assert.equal(viewOf(direct, 'forwarded', { host })['visitor'], 'ip:198.51.100.1');
});
