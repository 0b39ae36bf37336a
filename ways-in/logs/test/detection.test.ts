/** Detection of a file's format, errors for missing options, and files whose format changes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode, SwaError } from '../../../lib/errors/errors.js';
import { readLog } from './reading.js';

const host = 'www.example.org';
const combined = (second: number, more = ''): string =>
  `192.0.2.${second} - - [18/May/2015:10:05:${String(second).padStart(2, '0')} +0000] "GET /a HTTP/1.1" 200 5 "-" "x"${more}`;
const caddy =
  '{"level":"info","ts":1431943503,"logger":"http.log.access","msg":"handled request","request":{"client_ip":"192.0.2.7","method":"GET","host":"www.example.org","uri":"/b","headers":{}},"status":200}';

test('a file whose format changes in the middle is read to its end', () => {
  const lines = [combined(1), combined(2), caddy, 'garbage', caddy, combined(3)];
  const { about, results } = readLog(lines, 'auto', { host });
  assert.equal(about['format'], 'combined (detected); 2 lines are caddy');
  assert.deepEqual(
    results.map((result) => (typeof result === 'string' ? result.split(':')[0] : result['url'])),
    [
      `https://${host}/a`,
      `https://${host}/a`,
      `http://${host}/b`,
      'rejected',
      `http://${host}/b`,
      `https://${host}/a`,
    ],
  );
  assert.ok(
    readLog(lines, 'combined', { host })
      .results.slice(2, 5)
      .every((one) => typeof one === 'string' && one.startsWith('rejected')),
    'a format that was named is the only one',
  );
});

test('#Fields may come again with other columns', () => {
  const { results } = readLog([
    '#Fields: date time cs-method cs-uri-stem c-ip sc-status cs-host',
    '2015-05-18 08:05:03 GET /a 192.0.2.7 200 www.example.org',
    '#Fields: c-ip date time cs-method cs-uri-stem sc-status cs-host',
    '192.0.2.8 2015-05-18 08:05:04 GET /b 200 www.example.org',
    '2015-05-18 08:05:03 GET /a 192.0.2.7 200 www.example.org',
    '192.0.2.8 2015-05-18 08:05:04 GET /b c 200 www.example.org',
  ]);
  assert.deepEqual(
    results.map((result) =>
      typeof result === 'string' ? result : `${String(result['visitor'])} ${String(result['url'])}`,
    ),
    [
      'filtered: comment',
      'ip:192.0.2.7 https://www.example.org/a',
      'filtered: comment',
      'ip:192.0.2.8 https://www.example.org/b',
      'rejected: cannot parse date and time',
      'rejected: the line does not have as many fields as #Fields names',
    ],
  );
});

test('X-Forwarded-For is the client only where half of the lines have addresses there', () => {
  for (const [last, format] of [
    [' "203.0.113.9"', 'forwarded (detected)'],
    [' "-"', 'combined (detected)'],
    [' "session=1"', 'combined (detected)'],
    ['', 'combined (detected)'],
  ] as const)
    assert.equal(readLog([combined(1, last), combined(2, last)], 'auto', { host }).about['format'], format);
});

test('what is missing in the options is asked for, and not by a file full of rejects', () => {
  for (const [lines, option, format] of [
    [[combined(1)], '--host', 'auto'],
    [[combined(1)], '--host', 'combined'],
    // Some requests are for other sites, as to a proxy.
    [[combined(1).replace('/a', 'http://other.example/'), combined(2), combined(3)], '--host', 'combined'],
    [
      ['203.0.113.9, 192.0.2.7 - - [18/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5 "-" "x"'],
      '--client-ip',
      'auto',
    ],
    [
      [
        '#Fields: date-local time-local cs-method cs-uri-stem c-ip sc-status cs-host',
        '2015-05-18 08:05:03 GET /a 192.0.2.7 200 e.org',
      ],
      '--zone',
      'auto',
    ],
  ] as const)
    assert.throws(
      () => readLog(lines, format, option === '--client-ip' ? { host } : {}),
      (error) => hasCode(error, 'usage.invalid') && error.message.startsWith(`missing option ${option}: `),
    );
});

test('a file of another kind is refused with the way on', () => {
  for (const [line, hint] of [
    [
      'Feb 25 16:19:49 lb haproxy[7]: 192.0.2.7:53332 [25/Feb/2019:16:19:48.143] web~ back/s1 0/0/7/1/9 200 1 - - ---- 2/1/0/0/0 0/0 "GET / HTTP/1.1"',
      /--log-format/,
    ],
    [
      '[Mon Aug 31 09:30:48.958285 2015] [proxy_fcgi:error] [pid 28787:tid 14] (70008)Partial results',
      /access log/,
    ],
    ['hello world', /--format/],
  ] as const)
    assert.throws(
      () => readLog([line], 'auto', { host }),
      (error) => error instanceof SwaError && error.code === 'import.failed' && hint.test(error.hint ?? ''),
    );
});

const of = (name: string): string => caddy.replace('www.example.org', name);

test('lines that name their site need no --host, and with it count only where they are of it', () => {
  const lines = [of('www.example.org'), of('other.example'), of('')];
  const urls = (options: { host?: string }): unknown[] =>
    readLog(lines, 'auto', options).results.map((result) =>
      typeof result === 'string' ? result : result['url'],
    );
  assert.deepEqual(urls({}), [
    'http://www.example.org/b',
    'http://other.example/b',
    'rejected: the host is missing (set --host)',
  ]);
  assert.deepEqual(urls({ host }), [
    'http://www.example.org/b',
    'filtered: another host',
    'http://www.example.org/b',
  ]);
});
