/** All log formats. If two can read the same number of lines of a file, the earlier one wins, so stricter formats come first. */
import { alb } from './formats/alb.js';
import { caddy } from './formats/caddy.js';
import { cloudfront } from './formats/cloudfront.js';
import { combined } from './formats/combined.js';
import { common } from './formats/common.js';
import { forwarded } from './formats/forwarded.js';
import { nginxJson } from './formats/nginx-json.js';
import { traefikJson } from './formats/traefik-json.js';
import { vhostCombined } from './formats/vhost-combined.js';
import { w3c } from './formats/w3c.js';
import type { LogFormat } from './request.js';

export const logFormats: readonly LogFormat[] = [
  caddy,
  traefikJson,
  nginxJson,
  cloudfront,
  w3c,
  alb,
  vhostCombined,
  forwarded,
  common,
  combined,
];

/** Formats that are recognised but not supported, with what to do instead. */
export const otherFormats: readonly {
  readonly name: string;
  readonly shape: RegExp;
  readonly hint: string;
}[] = [
  {
    name: 'HAProxy',
    shape: / haproxy\[\d+\]: |^\S+:\d+ \[\d\d\/[A-Z][a-z]{2}\/\d{4}:[\d:.]+\] \S+ \S+\/\S+ /,
    hint: 'set its format with --log-format, and --zone because its times are local',
  },
  {
    name: 'S3',
    shape: /^[0-9a-f]{64} \S+ \[/,
    hint: `use --log-format '%^ %v [%d:%t %^] %h %^ %^ %^ %^ "%r" %s %^ %b %^ %^ %^ "%R" "%u"'`,
  },
  { name: 'Envoy', shape: /^\[\d{4}-\d\d-\d\dT[\d:.]+Z\] "/, hint: 'set its format with --log-format' },
  { name: 'Zeek', shape: /^#separator /, hint: 'use --format tsv with --columns' },
  { name: 'Cloudflare Logpush', shape: /"ClientRequestHost"/, hint: 'use --format json with --columns' },
  {
    name: "Apache's error log",
    shape: /^\[[A-Z][a-z]{2} [A-Z][a-z]{2} \d\d [\d:.]+ \d{4}\] \[/,
    hint: 'it holds no pageviews: import the access log',
  },
];
