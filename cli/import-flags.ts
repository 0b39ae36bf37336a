/** The options of `swa import`, and the format they name. */
import { Option, type Command } from 'commander';
import { SwaError } from '../lib/errors/errors.js';
import { hashesAddresses } from '../lib/files/data-dir.js';
import type { VisitorRule } from '../ways-in/logs/pageviews.js';
import type { LogFile } from '../ways-in/logs/log-files.js';

export interface ImportFlags {
  readonly format: string;
  readonly host?: string;
  readonly scheme?: 'http' | 'https';
  readonly visitor?: VisitorRule;
  readonly clientIp?: string;
  readonly zone?: string;
  readonly method: string;
  readonly status: string;
  readonly keepStatic?: boolean;
  readonly logFormat?: string;
  readonly notation?: 'apache' | 'nginx' | 'goaccess';
  readonly dateFormat?: string;
  readonly timeFormat?: string;
  readonly maxReject: string;
  readonly rejects?: string;
  readonly columns?: string;
  readonly follow?: boolean;
  readonly again?: boolean;
  readonly dryRun?: boolean;
  readonly background?: boolean;
  readonly json?: boolean;
}

export function addImportOptions(command: Command): Command {
  return command
    .option('--format <name>', 'format of the lines; default: detected from the first lines', 'auto')
    .option(
      '--host <name>',
      'the site the lines belong to (www.example.org), if they do not name it; if they do, only lines of this site count',
    )
    .addOption(
      new Option('--scheme <name>', 'scheme of the URLs (default: the one in the line, else https)').choices([
        'http',
        'https',
      ]),
    )
    .addOption(
      new Option(
        '--visitor <rule>',
        'what identifies a visitor (default: ip-agent-hash; ip in a data directory of an earlier version)',
      ).choices(['ip', 'ip-agent', 'ip-agent-hash', 'user']),
    )
    .option(
      '--client-ip <n>',
      'number of your own proxies in front of the server: the client is that many addresses from the end of X-Forwarded-For; 0: the address that connected',
    )
    .option('--zone <name>', 'time zone of times without one (Europe/Berlin, +02:00)')
    .option('--method <list>', 'HTTP methods that count as a pageview', 'GET')
    .option('--status <list>', 'status codes that count', '2xx,304')
    .option('--keep-static', 'count static files too')
    .option(
      '--log-format <text>',
      "the format as written in the server's configuration (Apache, nginx), or in GoAccess notation",
    )
    .addOption(
      new Option('--notation <name>', 'notation of the format, if it cannot be detected').choices([
        'apache',
        'nginx',
        'goaccess',
      ]),
    )
    .option('--date-format <text>', 'the GoAccess option of the same name')
    .option('--time-format <text>', 'the GoAccess option of the same name')
    .option(
      '--columns <list>',
      'csv, tsv, parquet, json: the column of each field (time=ts,url=page,visitor=uid,user-agent=ua)',
    )
    .option('--follow', 'keep reading as the log grows and is rotated, until interrupted')
    .option('--dry-run', 'import nothing: show what would be imported, with ten example facts')
    .option('--again', 'import files from their beginning, whatever earlier imports have taken of them')
    .option('--max-reject <percent>', 'exit 3 when more than this share of the lines is rejected', '1')
    .option('--rejects <file>', 'file for rejected lines (default: in the data directory)')
    .option('--background', 'hand it to the running system as a job and return at once')
    .option('--json', 'print the counts as JSON');
}

/** The format as stored in a job. Throws `usage.invalid` naming an option that is not valid. */
export async function storedFormat(
  flags: ImportFlags,
  dataDir: string,
): Promise<{ name: 'ndjson' } | LogFile> {
  if (flags.format === 'ndjson') return { name: 'ndjson' };
  const { isHost } = await import('../ways-in/logs/pageviews.js');
  const isHashing = hashesAddresses(dataDir);
  const visitor = flags.visitor ?? (isHashing ? 'ip-agent-hash' : 'ip');
  const { host, scheme, zone, logFormat, notation, dateFormat, timeFormat, columns } = flags;
  if (host !== undefined && !isHost(host)) {
    throw new SwaError('usage.invalid', `--host is not a host name: '${host}'`, {
      hint: 'for example --host www.example.org',
    });
  }
  const statuses = flags.status.split(',');
  const bad = statuses.find((status) => !/^\d(xx|\d\d)$/.test(status));
  if (bad !== undefined)
    throw new SwaError('usage.invalid', `--status takes codes like 2xx or 304, got '${bad}'`);
  if (logFormat !== undefined && flags.format !== 'auto')
    throw new SwaError('usage.invalid', `--log-format cannot be combined with --format ${flags.format}`);
  return {
    name: logFormat === undefined ? flags.format : 'log-format',
    options: {
      visitor,
      ...(visitor === 'user' && isHashing ? { hashAddresses: true } : {}),
      methods: flags.method.split(','),
      statuses,
      keepStatic: flags.keepStatic === true,
      ...definedOnly({ host, scheme, zone, logFormat, notation, dateFormat, timeFormat, columns }),
      ...(flags.clientIp === undefined ? {} : { trustedProxies: proxies(flags.clientIp) }),
    },
  };
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** Drops undefined properties. */
function definedOnly<T extends object>(options: T): Defined<T> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Defined<T>;
}

function proxies(text: string): number {
  if (!/^\d{1,2}$/.test(text))
    throw new SwaError('usage.invalid', `--client-ip takes a number of proxies from 0 to 99, got '${text}'`);
  return Number(text);
}

export function percentOf(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0 && value <= 100)) {
    throw new SwaError('usage.invalid', `--max-reject takes a percentage from 0 to 100, got '${text}'`);
  }
  return value;
}

/** A line that says how visitors are identified, if `--visitor` was not given; else ''. */
export function visitorsNote(
  { visitor: asked }: ImportFlags,
  stored: { readonly name: string; readonly options?: { readonly visitor: VisitorRule } },
): string {
  const visitor = stored.options?.visitor;
  if (asked !== undefined || visitor === undefined) return '';
  if (visitor === 'ip-agent-hash')
    return "visitors: address and user agent, hashed with the data directory's secret; no address is kept (--visitor ip keeps them)\n";
  return 'visitors: addresses as they are (--visitor ip), as in the imports that this data directory may hold; --visitor ip-agent-hash keeps none, and then visitors imported before count as others\n';
}
