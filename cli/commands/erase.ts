/** `swa erase`: removes visitor ids from all answers and all files. Without --yes it only shows which ids. */
import type { Command } from 'commander';
import { matchingPageviews } from '../../batch/exclusion-preview.js';
import { recordErasures } from '../../facts/erase-log.js';
import {
  canBeErased,
  erasureReport,
  listErasures,
  idCountToWarn,
  requestErasure,
  type ErasureReport,
} from '../../facts/erasure-records.js';
import { makeRules } from '../../facts/rules.js';
import { readConfig, type Config } from '../../lib/config/config.js';
import { checkDataDir, openDataDir } from '../../lib/files/data-dir.js';
import { SwaError, hasCode } from '../../lib/errors/errors.js';
import { show } from '../../lib/errors/show.js';
import { systemClock } from '../../lib/time/clock.js';
import { openLogWriter } from '../../log/open-log.js';
import { idsOfPersonNow } from '../persons.js';
import { runningUrl } from '../running-url.js';
import { openSharedIfSet } from '../shared.js';
import { table } from '../table.js';

interface Flags {
  readonly visitor?: string;
  readonly person?: string;
  readonly yes?: boolean;
  readonly json?: boolean;
}

export function addEraseCommand(program: Command): void {
  const erase = program
    .command('erase')
    .description(
      'show which ids would be erased for good, and with --yes erase them: from answers and from files',
    )
    .option('--visitor <id>', 'this visitor id alone')
    .option('--person <id>', 'all ids of the person who has this one')
    .option('--yes', 'do it: it cannot be taken back')
    .option('--json', 'as JSON')
    .action((flags: Flags) => change(flags));
  erase
    .command('list')
    .description('erasures, oldest first, and how far each one is')
    .option('--json', 'as JSON, with what was rewritten')
    .action((_flags: Flags, command: Command) => list(command.optsWithGlobals<Flags>().json === true));
}

async function change({ visitor, person, yes, json }: Flags): Promise<void> {
  const config = readConfig(process.env);
  const named = visitor ?? person;
  if (named === undefined || (visitor !== undefined && person !== undefined))
    throw new SwaError('usage.invalid', 'give one of --visitor and --person');
  if (!canBeErased(named)) throw new SwaError('usage.invalid', `not a visitor id: ${show(named)}`);
  checkDataDir(config);
  const known = visitor === undefined ? await idsOfPersonNow(config, named) : undefined;
  const ids = known?.ids ?? [named];
  const found = await matchingPageviews(
    config,
    ids.map((value) => ({ by: 'visitor', value })),
  );
  const counts = ids.map((id, i) => ({ id, pageviews: found[i]?.[1].pageviews ?? 0 }));
  const many =
    ids.length > idCountToWarn
      ? `these are ${ids.length} ids, more than one person usually has: an id that several people share may have joined strangers\n`
      : '';
  if (yes !== true) {
    print(
      json,
      { ids: counts },
      table(
        ['id', 'pageviews'],
        counts.map(({ id, pageviews }) => [id, String(pageviews)]),
      ),
    );
    process.stderr.write(
      `${many}${ids.length} ids${known === undefined ? '' : `, as of ${known.asOf}`}; nothing was changed: with --yes they are erased for good\n`,
    );
    return;
  }
  process.stderr.write(many);
  openDataDir(config);
  const shared = await openSharedIfSet({ config, clock: systemClock });
  await shared?.erasing.exchange(); // ids are hashed as on all hosts
  const record = requestErasure(config.dataDir, ids, systemClock());
  const isRunning = await recordIt(config);
  await shared?.erasing.exchange();
  shared?.close();
  print(json, erasureReport(record), `${record.id}\n`);
  process.stderr.write(
    isRunning
      ? `${ids.length} ids leave all answers with the batch run that starts by itself, and then all files; follow it with \`swa erase list\`\n`
      : `${ids.length} ids are recorded as erased; no system runs here: \`swa batch run\` takes them out of answers and files\n`,
  );
}

/** Appends the erasures to the log, or leaves that to the collector that has the log open. True if a system is running. */
async function recordIt(config: Config): Promise<boolean> {
  try {
    const log = await openLogWriter(config, systemClock);
    try {
      await recordErasures(config.dataDir, log, { clock: systemClock, urls: makeRules(config).url });
    } finally {
      await log.close();
    }
  } catch (error) {
    if (!hasCode(error, 'data-dir.in-use')) throw error;
    return true; // the process that has the log open looks for new erasures every few seconds
  }
  return runningUrl(config, 'query') !== undefined;
}

function list(json: boolean): void {
  const config = readConfig(process.env);
  checkDataDir(config);
  const reports = listErasures(config.dataDir).map(erasureReport);
  print(
    json,
    reports,
    table(
      ['erasure', 'requested', 'ids', 'state'],
      reports.map((report) => [
        report.id,
        new Date(report.requestedAt).toISOString(),
        String(report.ids),
        stateOf(report),
      ]),
    ),
  );
}

function stateOf({ state, doneAt }: ErasureReport): string {
  if (state === 'done') return `done ${doneAt === null ? '' : new Date(doneAt).toISOString()}`;
  if (state === 'excluded') return 'in no answer; files are being rewritten';
  return 'waits for the next batch run';
}

function print(json: boolean | undefined, value: unknown, text: string): void {
  process.stdout.write(json === true ? `${JSON.stringify(value, null, 2)}\n` : text);
}
