/** The text that `swa start` prints once it serves: the address and, for a fresh data directory, what to do next. */
import { hourMs } from '../lib/time/buckets.js';
import { systemClock } from '../lib/time/clock.js';

export interface WelcomeFacts {
  readonly origin: string;
  readonly dataDir: string;
  readonly demo: boolean;
  /** Facts in the log at start; 0 means a fresh data directory. Undefined where the log could not be read. */
  readonly facts: number | undefined;
}

export function welcome({ origin, dataDir, demo, facts }: WelcomeFacts): string {
  const head = `\nSuperWebAnalytics serves ${origin} from ${dataDir} (${facts === undefined ? 'its log cannot be read: bin/swa status' : `${facts} facts in the log`}). Ctrl-C stops it.\n`;
  if (demo) return `${head}${demoText(origin)}`;
  return facts === 0
    ? `${head}${freshText(origin)}`
    : `${head}\n  page    ${origin}/\n  status  bin/swa status\n\n`;
}

function freshText(origin: string): string {
  return `
There are no facts yet. In another terminal:

  import a log     bin/swa import --host www.example.org access.log.gz
  or generate      bin/swa generate --facts 100000
  send one fact    curl ${origin}/v1/events -H 'Content-Type: application/json' \\
                     -d '{"type":"pageview","visitor":"cookie:1","url":"https://www.example.org/","timestamp":${systemClock()}}'
  open the page    ${origin}/
  ask              bin/swa query uniques --url https://www.example.org/ --from ${hour(-1)} --to ${hour(1)}
  recompute now    bin/swa batch run

`;
}

function demoText(origin: string): string {
  return `
A day of generated traffic arrives within half a minute, then live traffic; a batch run started every 20 s.

  open the page    ${origin}/
  ask              bin/swa query uniques --url https://www.shop.example/ --from ${hour(-24)} --to ${hour(1)}
                   (set SWA_DATA_DIR=./data-demo for it)

`;
}

/** The start of the hour `ahead` hours from now, RFC 3339. */
function hour(ahead: number): string {
  return new Date((Math.floor(systemClock() / hourMs) + ahead) * hourMs).toISOString().replace('.000Z', 'Z');
}
