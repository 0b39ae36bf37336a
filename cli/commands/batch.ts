/** `swa batch`: runs the batch role (the schedule); its subcommands are run, list, status and rollback. */
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { advanceErasures, type ErasingContext } from '../../batch/erasing.js';
import { batchOverview } from '../../batch/overview.js';
import { showProgress } from '../../batch/progress-bar.js';
import { spawnBatchRun } from '../../batch/spawn-run.js';
import { countsOf, listRuns } from '../../serving/batch-runs.js';
import { SwaError } from '../../lib/errors/errors.js';
import { systemClock } from '../../lib/time/clock.js';
import { makeRules } from '../../facts/rules.js';
import { sameRules } from '../../facts/rules-versions.js';
import { readConfig } from '../../lib/config/config.js';
import { isAtWork, readStatus } from '../../lib/process/status.js';
import type { ViewMeta } from '../../facts/views/view.js';
import { rollBack } from '../../serving/store.js';
import { parseViewId } from '../../serving/layout.js';
import { table } from '../table.js';
import { engineOf } from '../engine.js';
import { openSharedIfSet } from '../shared.js';
import { runRoleCommand } from './roles.js';

interface JsonFlag {
  readonly json?: boolean;
}

export function addBatchCommand(program: Command): void {
  const batch = program
    .command('batch')
    .description('run the batch role only (the schedule), or one of the commands below')
    .action(() => runRoleCommand('batch'));
  batch
    .command('run')
    .description('recompute all views now, from every acknowledged fact, and publish them')
    .option('--json', 'print the new view as JSON')
    .action((flags: JsonFlag) => run(flags));
  batch
    .command('list')
    .description('batch views on disk, newest first')
    .option('--json', 'as JSON')
    .action((flags: JsonFlag) => list(flags));
  batch
    .command('status')
    .description('the last runs: outcome, duration, statistics')
    .option('--json', 'as JSON, with everything that was measured')
    .action((flags: JsonFlag) => showRuns(flags));
  batch
    .command('rollback')
    .description('publish an older view again')
    .argument('[view]', 'id of the view; default: the one before the current')
    .action(async (view?: string) => {
      const config = readConfig(process.env);
      const { dataDir, bucketMinutes, urlQueryAllow, bots } = config;
      const to = view === undefined ? undefined : parseViewId(view);
      const shared = await openSharedIfSet({ config, clock: systemClock });
      const meta = await (shared === undefined ? rollBack(dataDir, to) : shared.views.rollBack(to));
      shared?.close();
      process.stdout.write(`${meta.id} serves\n`);
      if (meta.bucketMinutes !== bucketMinutes)
        process.stderr.write(
          `it has buckets of ${meta.bucketMinutes} minutes, not of ${bucketMinutes}: questions are refused until the next batch run\n`,
        );
      const { versions } = makeRules({ urlQueryAllow, bots });
      if (!sameRules(meta.rules, versions))
        process.stderr.write(
          'it was made with other rules: until the next batch run, answers do not contain newer facts\n',
        );
    });
}

async function run(flags: JsonFlag): Promise<void> {
  const config = readConfig(process.env);
  if (config.kafkaBrokers.length === 0 && !existsSync(config.dataDir)) {
    throw new SwaError(
      'data-dir.unusable',
      `cannot recompute: data directory '${config.dataDir}' does not exist`,
      {
        hint: 'set SWA_DATA_DIR to the directory with the facts, or create one with `swa start` or `swa import`',
      },
    );
  }
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort()).once('SIGTERM', () => stop.abort());
  const display = showProgress(process.stderr);
  const begun = systemClock();
  const shared = await openSharedIfSet({ config, clock: systemClock });
  let meta: ViewMeta;
  try {
    meta = await spawnBatchRun({
      config,
      trigger: 'command',
      shared,
      engine: engineOf(config),
      signal: stop.signal,
      onProgress: display.onProgress,
    });
    display.stop();
    await carryOutErasures({ config, clock: systemClock, signal: stop.signal, shared: shared?.erasing });
  } finally {
    display.stop();
    shared?.close();
  }
  const { counts } = meta;
  process.stdout.write(
    flags.json === true
      ? `${JSON.stringify(meta, null, 2)}\n`
      : `${meta.id} published after ${((systemClock() - begun) / 1000).toFixed(1)} s: ` +
          `${counts.pageviews} pageviews, ${counts.pages} pages, ${counts.domains} domains, ${counts.persons} persons\n` +
          leftOutOf(config.dataDir, meta.id),
  );
}

/** Rewrites files that hold erased ids, unless a batch role is running, which does so itself. */
async function carryOutErasures(context: ErasingContext): Promise<void> {
  const isServed = readStatus(context.config.dataDir).some(
    (entry) => entry.role === 'batch' && isAtWork(entry, systemClock),
  );
  if (isServed || (await advanceErasures(context))) return;
  process.stderr.write(
    'erased ids are still in files that other processes have open; `swa erase list` shows the state\n',
  );
}

/** A line with the numbers of facts that the run did not count, by reason; '' if it counted all. */
function leftOutOf(dataDir: string, view: string): string {
  const record = listRuns(dataDir).findLast(({ viewId }) => viewId === view);
  if (record === undefined) return '';
  const found = countsOf(record);
  const reasons = Object.entries(leftOut).flatMap(([name, what]) => {
    const count = found[name] ?? 0;
    return count === 0 ? [] : [`${count} ${what}`];
  });
  return reasons.length === 0 ? '' : `not counted: ${reasons.join(', ')}\n`;
}

/** Descriptions of the counts in a run's statistics. */
const leftOut: Readonly<Record<string, string>> = {
  botPageviews: 'pageviews of known bots',
  excludedPageviews: 'excluded pageviews',
  repeats: 'repeats of pageviews',
  refusedUrls: 'pageviews with a refused URL',
  invalidPageviews: 'invalid pageviews',
  repeatedEdges: 'repeats of edges',
  refusedEdges: 'refused edges',
};

function list(flags: JsonFlag): void {
  const { current, noCurrent, views, unreadable } = batchOverview(readConfig(process.env).dataDir);
  if (noCurrent !== undefined) process.stderr.write(`${noCurrent}\n`);
  if (flags.json === true) {
    process.stdout.write(`${JSON.stringify({ current, views, unreadable }, null, 2)}\n`);
    return;
  }
  const rows = views
    .toReversed()
    .map((meta) => [
      meta.id === current ? '*' : '',
      meta.id,
      new Date(meta.createdAt).toISOString(),
      String(meta.counts.pageviews),
      String(meta.counts.pages),
      String(meta.counts.persons),
    ]);
  for (const id of unreadable) rows.push([id === current ? '*' : '', id, 'cannot be read', '-', '-', '-']);
  process.stdout.write(table(['', 'view', 'created', 'pageviews', 'pages', 'persons'], rows));
}

function showRuns(flags: JsonFlag): void {
  const { runs, running } = batchOverview(readConfig(process.env).dataDir);
  if (flags.json === true) {
    process.stdout.write(`${JSON.stringify({ running, runs }, null, 2)}\n`);
    return;
  }
  const rows = runs
    .toReversed()
    .map((one) => [
      new Date(one.startedAt).toISOString(),
      one.trigger,
      one.outcome,
      one.endedAt === null ? '-' : `${((one.endedAt - one.startedAt) / 1000).toFixed(1)} s`,
      one.viewId ?? '-',
      one.error === null ? '-' : `${one.error.code}: ${one.error.message}`,
    ]);
  process.stdout.write(table(['started', 'trigger', 'outcome', 'took', 'view', 'error'], rows));
}
