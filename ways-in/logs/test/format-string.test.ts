/** Formats written as in a server's configuration. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../../../lib/errors/errors.js';
import { notationOf } from '../format-string.js';
import type { LogOptions } from '../log-files.js';
import { viewOf } from './reading.js';

const at = Date.UTC(2015, 4, 18, 8, 5, 3);
const url = 'https://www.example.org/a?b=1';
const host = 'www.example.org';

for (const [logFormat, line, more, options] of [
  // Apache
  [
    '%h %l %u %t "%r" %>s %b',
    '192.0.2.7 - - [18/May/2015:10:05:03 +0200] "GET /a?b=1 HTTP/1.1" 200 5',
    {},
    { host },
  ],
  [
    '%v:%p %a %{%Y-%m-%dT%H:%M:%S%z}t %m %U%q %>s \\"%{User-agent}i\\"',
    'www.example.org:443 192.0.2.7 2015-05-18T10:05:03+0200 GET /a?b=1 200 "x"',
    { userAgent: 'x' },
    {},
  ],
  [
    '%{Host}i %a %{msec}t "%r" %s %D %{X-Request-Id}i',
    'www.example.org 192.0.2.7 1431936303250 "GET /a?b=1 HTTP/1.1" 200 1234 abc-1',
    { timestamp: at + 250, eventId: 'abc-1' },
    {},
  ],
  [
    '%{X-Forwarded-For}i %h [%{%d/%b/%Y:%H:%M:%S}t.%{msec_frac}t %{%z}t] "%r" %>s',
    '192.0.2.7 198.51.100.1 [18/May/2015:10:05:03.123 +0200] "GET /a?b=1 HTTP/1.1" 200',
    {},
    { host, trustedProxies: 1 },
  ],
  [
    '%{X-Forwarded-For}i %h %l %u %t "%r" %>s',
    '203.0.113.9, 192.0.2.7 198.51.100.1 - - [18/May/2015:10:05:03 +0200] "GET /a?b=1 HTTP/1.1" 200',
    {},
    { host, trustedProxies: 1 },
  ],
  [
    '%a %{%F %T}t %r %>s',
    '192.0.2.7 2015-05-18 10:05:03 GET /a?b=1 HTTP/1.1 200',
    {},
    { host, zone: 'Europe/Berlin' },
  ],
  // nginx
  [
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" rt=$request_time host=$host',
    '192.0.2.7 - - [18/May/2015:10:05:03 +0200] "GET /a?b=1 HTTP/1.1" 200 5 "https://r.example/" "x \\x22y\\x22" rt=0.001 host=www.example.org',
    { referrer: 'https://r.example/', userAgent: 'x "y"' },
    {},
  ],
  [
    '$msec|$remote_addr|$scheme://$host$uri$is_args$args|$status',
    '1431936303.250|192.0.2.7|https://www.example.org/a?b=1|200',
    undefined,
    {},
  ],
  [
    '$time_iso8601 $remote_addr $scheme $host $request_method $request_uri $status $request_id',
    '2015-05-18T10:05:03+02:00 192.0.2.7 https www.example.org GET /a?b=1 200 7f3c',
    { eventId: '7f3c' },
    {},
  ],
  [
    '{"at":"$time_iso8601","ip":"$remote_addr","what":"$request","code":$status,"agent":"$http_user_agent","site":"$host"}',
    '{"at":"2015-05-18T10:05:03+02:00","ip":"192.0.2.7","what":"GET /a?b=1 HTTP/1.1","code":200,"agent":"x \\"y\\"","site":"www.example.org"}',
    { userAgent: 'x "y"' },
    {},
  ],
  // GoAccess
  [
    '%h %^[%d:%t %^] "%r" %s %b "%R" "%u"',
    '192.0.2.7 - - [18/May/2015:10:05:03 +0200] "GET /a?b=1 HTTP/1.1" 200 5 "-" "x"',
    { userAgent: 'x' },
    { host },
  ],
  [
    '%v %h %x %m %U %s',
    'www.example.org 192.0.2.7 2015-05-18T10:05:03 GET /a?b=1 200',
    {},
    { zone: '+02:00', dateFormat: '%Y-%m-%dT%H:%M:%S' },
  ],
] as const) {
  test(`${notationOf(logFormat)}: ${logFormat.slice(0, 70)}`, () => {
    const asked: Partial<LogOptions> = { ...options, logFormat };
    if (more === undefined)
      assert.throws(
        () => viewOf(line, 'log-format', asked),
        (error) => hasCode(error, 'usage.invalid') && /no separator between \$host and/.test(error.message),
      );
    else
      assert.deepEqual(viewOf(line, 'log-format', asked), {
        type: 'pageview',
        visitor: 'ip:192.0.2.7',
        url,
        timestamp: at,
        ...more,
      });
  });
}

test('a notation is told by what the others lack', () => {
  for (const [format, notation] of [
    ['%h %l %u %t "%r" %>s %b', 'apache'],
    ['%h %u %t "%r" %s %{Foo}^ti', 'apache'],
    ['$remote_addr [$time_local] "$request"', 'nginx'],
    ['%h %^[%d:%t %^] "%r" %s', 'goaccess'],
    ['~h{, } %x "%r"', 'goaccess'],
  ] as const)
    assert.equal(notationOf(format), notation, format);
});

test('a format that cannot be read by is refused, naming what is wrong', () => {
  for (const [logFormat, reason] of [
    ['hello', /has no fields/],
    ['%h %l "%r"', /no field for the time/],
    ['%t "%r"', /no field for the address/],
    ['%h%t "%r"', /no separator between %h and %t/],
    ['%h %{%Q}t "%r"', /%Q is not supported/],
    ['%h %{%F %T}t "%r"', /missing option --zone/],
  ] as const)
    assert.throws(
      () => viewOf('x', 'log-format', { logFormat, host }),
      (error) => hasCode(error, 'usage.invalid') && reason.test(error.message),
      logFormat,
    );
});
