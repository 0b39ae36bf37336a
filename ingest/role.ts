/**
 * The collector at work: the log's writer, the routes and the import jobs that feed it, and its entry on the status board. `swa start` mounts the
 * routes on its one endpoint; `startCollector` serves them on a port of their own.
 */
import type { ImportState } from './import-state.js';
import { makeRules } from '../facts/rules.js';
import { openAll } from '../lib/process/closers.js';
import { openDataDir } from '../lib/files/data-dir.js';
import { SwaError } from '../lib/errors/errors.js';
import { HttpEndpoint } from '../lib/http/endpoint.js';
import type { Route } from '../lib/http/route.js';
import type { LogWriter, NewRecord } from '../log/log.js';
import { openLogWriter } from '../log/open-log.js';
import { Trimmer } from '../log/retention.js';
import { openJobQueue, type JobQueue } from '../log/queue/job-queue.js';
import type { RoleContext, RunningRole } from '../lib/process/role.js';
import { StatusReporter, lastErrorOf, type LastError } from '../lib/process/status.js';
import { logSink } from './fact-sinks.js';
import { ImportWorker } from './import-worker.js';
import type { FormatOf } from './line-format.js';
import { coreFormats } from './ndjson.js';
import { collectorRoutes } from './collector.js';
import { Intake, newCounters } from './intake.js';
import type { OpenWayIn, WayIn } from './way-in.js';

export interface OpenCollector {
  readonly routes: readonly Route[];
  readonly log: LogWriter;
  /** Says on the status board where the routes are served, and keeps the counters there fresh. */
  listening(url: string): void;
  /** Call when no request can come any more. */
  close(): Promise<void>;
}

/** What the core does not know, and is given. */
export interface AroundCore {
  /** The formats of files that imports left as jobs may have. */
  readonly formatOf?: FormatOf;
  readonly openWayIn?: OpenWayIn;
}

const reportEveryMs = 1_000;

/** What may go wrong while the collector goes on. */
type Trouble = 'facts are refused' | 'the log is not trimmed' | 'background imports wait';

/** Of what is wrong now. */
function newestOf(troubles: ReadonlyMap<Trouble, LastError>): LastError | null {
  return [...troubles.values()].toSorted((a, b) => b.at - a.at)[0] ?? null;
}

/**
 * Takes the log for writing. Throws `data-dir.in-use` when another process is its writer; then nothing stays open.
 */
export async function openCollector(
  context: RoleContext,
  { formatOf = coreFormats, openWayIn }: AroundCore = {},
): Promise<OpenCollector> {
  openDataDir(context.config, (text) => context.logger.warn(text));
  return openAll(async (closers) => {
    const { config, clock } = context;
    const { url: urls, bots } = makeRules(config);
    const counters = newCounters();
    const status = new StatusReporter({ dataDir: config.dataDir, role: 'collector', clock });
    const state: { url: string; lastImport: ImportState | null } = { url: '', lastImport: null };
    let wayIn: WayIn | undefined;
    const details = (): Record<string, unknown> => ({
      url: state.url,
      accepted: counters.accepted,
      rejected: counters.rejected,
      warnings: counters.warnings,
      unavailable: counters.unavailable,
      rejectedByField: Object.fromEntries(counters.rejectedByField),
      import: state.lastImport,
      ...wayIn?.details(),
    });
    const troubles = new Map<Trouble, LastError>();
    const note = (trouble: Trouble, error: unknown): void => {
      const lastError = lastErrorOf(error, clock(), 'log.unavailable');
      troubles.set(trouble, { ...lastError, message: `${trouble}: ${lastError.message}` });
    };
    const log = await openLogWriter(config, clock);
    closers.add(() => log.close());
    const jobs = openImportQueue(context, (error) => note('background imports wait', error));
    if (jobs !== undefined) {
      const imports = new ImportWorker({
        dataDir: config.dataDir,
        jobs,
        sink: logSink(log, urls),
        urls,
        bots,
        formatOf,
        clock,
        onChange: (change) => (state.lastImport = change),
      });
      closers.add(() => imports.stop());
    }
    const append = async (records: readonly NewRecord[]): Promise<void> => {
      try {
        await log.append(records);
        troubles.delete('facts are refused');
      } catch (error) {
        note('facts are refused', error);
        throw error;
      }
    };
    const intake = new Intake({ log: { append }, urls, clock, counters });
    wayIn = await openWayIn?.(context, intake);
    closers.add(() => wayIn?.close());
    const trimmer = new Trimmer(config.dataDir, log);
    const report = (): void => status.report({ details: details(), lastError: newestOf(troubles) });
    const timer = setInterval(() => {
      report();
      trimmer.run().then(
        () => troubles.delete('the log is not trimmed'),
        (error: unknown) => note('the log is not trimmed', error),
      );
    }, reportEveryMs);
    timer.unref();
    closers.add(() => clearInterval(timer));
    return {
      routes: [...collectorRoutes({ intake, browserEvents: wayIn?.browserEvents }), ...(wayIn?.routes ?? [])],
      log,
      listening(url) {
        state.url = url;
        status.report({ state: 'running', details: details(), lastError: newestOf(troubles) });
      },
      async close() {
        await closers.close();
        status.report({ state: 'stopped', details: details() });
      },
    };
  });
}

/** Undefined, and said, when it is damaged: facts that are sent are taken all the same. */
function openImportQueue(
  { config, clock, logger }: RoleContext,
  note: (error: unknown) => void,
): JobQueue<'import'> | undefined {
  try {
    return openJobQueue(config.dataDir, 'import', clock);
  } catch (error) {
    if (!(error instanceof SwaError && error.code === 'data-dir.unusable')) throw error;
    logger.error({ err: error }, 'background imports are waiting');
    note(error);
    return undefined;
  }
}

/** The collector as a process of its own. */
export async function startCollector(context: RoleContext, around?: AroundCore): Promise<RunningRole> {
  const endpoint = new HttpEndpoint(context); // first: it refuses keys and hosts, and has nothing to close yet
  const collector = await openCollector(context, around);
  endpoint.mount(collector.routes);
  try {
    const { origin } = await endpoint.listen(context.config.collectorPort);
    collector.listening(origin);
    context.logger.info({ url: `${origin}/v1/events` }, 'collector listens');
  } catch (error) {
    await collector.close();
    throw error;
  }
  return {
    done: new Promise(() => undefined), // a collector ends only when it is told to
    async stop() {
      await endpoint.close();
      await collector.close();
    },
  };
}
