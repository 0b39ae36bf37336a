/** `swa exclude` and `swa include`: leave pageviews out of all answers, or count them again. Without --yes they only show what would change. */
import type { Command } from 'commander';
import {
  exclusionsInForce,
  matchingPageviews,
  waitingOf,
  type MatchingPageviews,
} from '../../batch/exclusion-preview.js';
import type { Exclusion, ExclusionRule } from '../../facts/fact.js';
import { makeRules } from '../../facts/rules.js';
import { readConfig } from '../../lib/config/config.js';
import { checkDataDir } from '../../lib/files/data-dir.js';
import { SwaError } from '../../lib/errors/errors.js';
import { describeRule, exclusionOf, sendExclusions } from '../exclusions.js';
import { idsOfPerson, withCurrent } from '../persons.js';
import { table } from '../table.js';

interface Flags {
  readonly urlPrefix?: string;
  readonly userAgent?: string;
  readonly visitor?: string;
  readonly person?: string;
  readonly importId?: string;
  readonly from?: string;
  readonly to?: string;
  readonly yes?: boolean;
  readonly json?: boolean;
}

export function addExcludeCommands(program: Command): void {
  const exclude = addOptions(
    program
      .command('exclude')
      .description('show which pageviews would be left out of all answers, and with --yes leave them out'),
  ).action((flags: Flags) => change('exclude', flags));
  exclude
    .command('list')
    .description('the exclusions in force')
    .option('--json', 'as JSON')
    .action((_flags: Flags, command: Command) => list(command.optsWithGlobals<Flags>().json === true));
  addOptions(
    program
      .command('include')
      .description('take an exclusion back: the same options as it was made with, and --yes'),
  ).action((flags: Flags) => change('include', flags));
}

function addOptions(command: Command): Command {
  return command
    .option(
      '--url-prefix <url>',
      'pages that begin with it; with a slash at its end: the page and what lies below',
    )
    .option('--user-agent <text>', 'pageviews with exactly this user agent')
    .option('--visitor <id>', 'pageviews with exactly this visitor id')
    .option('--person <id>', 'pageviews with any id of the person who has this one')
    .option('--import-id <id>', 'pageviews of this import (`swa import undo` does more)')
    .option('--from <time>', 'only those from this time on (RFC 3339)')
    .option('--to <time>', 'only those before this time')
    .option('--yes', 'do it')
    .option('--json', 'as JSON');
}

async function change(type: Exclusion['type'], flags: Flags): Promise<void> {
  const config = readConfig(process.env);
  const chosen = (['urlPrefix', 'userAgent', 'visitor', 'person', 'importId'] as const).filter(
    (name) => flags[name] !== undefined,
  );
  const [by] = chosen;
  if (by === undefined || chosen.length > 1)
    throw new SwaError(
      'usage.invalid',
      'give one of --url-prefix, --user-agent, --visitor, --person or --import-id',
    );
  checkDataDir(config);
  const { from, to } = flags;
  const limits = { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) };
  const values = by === 'person' ? idsOfPerson(config, flags.person ?? '') : [flags[by] ?? ''];
  const { url: urls } = makeRules(config);
  const facts = values.map((value) =>
    exclusionOf(type, { by: by === 'person' ? 'visitor' : by, value, ...limits }, urls),
  );
  const found = await matchingPageviews(config, facts);
  if (flags.json === true)
    process.stdout.write(
      `${JSON.stringify(found.map(([rule, matching]) => ({ rule: plain(rule), ...matching })))}\n`,
    );
  else for (const [rule, matching] of found) process.stdout.write(`${describe(rule, matching)}\n`);
  if (flags.yes !== true) {
    process.stderr.write(
      `nothing was changed: with --yes ${type === 'exclude' ? 'they are left out' : 'they count again'}\n`,
    );
    return;
  }
  const next = await sendExclusions(config, facts);
  process.stderr.write(`${type}d; ${next}\n`);
}

function describe(rule: ExclusionRule, { pageviews, bots, visitors, times }: MatchingPageviews): string {
  const what = describeRule(rule);
  if (times === undefined)
    return `${what}: no stored pageviews match (those of the last seconds may not be stored yet); later ones will`;
  const ofBots = bots === 0 ? '' : ` (${bots} of known bots, which do not count anyway)`;
  const span = `from ${new Date(times.first).toISOString()} to ${new Date(times.last).toISOString()}`;
  return `${what}: ${pageviews} pageviews${ofBots} with ${visitors} visitor ids, ${span}`;
}

function plain({ by, value, from, to }: ExclusionRule): ExclusionRule {
  return { by, value, ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) };
}

async function list(json: boolean): Promise<void> {
  const config = readConfig(process.env);
  checkDataDir(config);
  const live = await exclusionsInForce(config);
  const waiting = waitingOf(live, withCurrent(config, (view) => view.exclusions()) ?? []);
  if (json) {
    process.stdout.write(
      `${JSON.stringify(live.map((rule) => ({ ...rule, waiting: waiting.has(rule) })))}\n`,
    );
    return;
  }
  const rows = live.map((rule) => [
    rule.by,
    rule.value,
    rule.from === undefined ? '-' : new Date(rule.from).toISOString(),
    rule.to === undefined ? '-' : new Date(rule.to).toISOString(),
    waiting.has(rule) ? 'waits for the next batch run' : 'in force',
  ]);
  process.stdout.write(table(['by', 'value', 'from', 'to', 'state'], rows));
}
