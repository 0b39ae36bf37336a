/**
 * The collector at work: the log's writer, the routes and the import jobs that feed it, and its entry on the status board. `swa start` mounts the
 * routes on its one endpoint; `startCollector` serves them on a port of their own.
 */
import type { ImportState } from './import-state.js';
import { makeRules } from '../facts/rules.js';
import { openAll } from '../lib/process/closers.js';
import { openDataDir } from '../lib/files/data-dir.js';
import { SwaError, messageOf } from '../lib/errors/errors.js';
import { HttpEndpoint } from '../lib/http/endpoint.js';
import type { Route } from '../lib/http/route.js';
import type { LogWriter } from '../log/log.js';
import { openLogWriter } from '../log/open-log.js';
import { Trimmer } from '../log/retention.js';
import { openJobQueue, type JobQueue } from '../log/queue/job-queue.js';
import type { RoleContext, RunningRole } from '../lib/process/role.js';
import { StatusReporter } from '../lib/process/status.js';
import { logSink } from './fact-sinks.js';
import { ImportWorker } from './import-worker.js';
import type { FormatOf } from './line-format.js';
import { coreFormats } from './ndjson.js';
import { collectorRoutes, newCounters } from './collector.js';

export interface OpenCollector {
  readonly routes: readonly Route[];
  readonly log: LogWriter;
  /** Says on the status board where the routes are served, and keeps the counters there fresh. */
  listening(url: string): void;
  /** Call when no request can come any more. */
  close(): Promise<void>;
}

const reportEveryMs = 1_000;

/**
 * Takes the log for writing. Throws `data-dir.in-use` when another process is its writer; then nothing stays open.
 * @param formatOf the formats of files that imports left as jobs may have
 */
export async function openCollector(
  context: RoleContext,
  formatOf: FormatOf = coreFormats,
): Promise<OpenCollector> {
  openDataDir(context.config, (text) => context.logger.warn(text));
  return openAll(async (closers) => {
    const { config, clock } = context;
    const { url: urls, bots } = makeRules({ queryAllow: config.urlQueryAllow, bots: config.bots });
    const counters = newCounters();
    const status = new StatusReporter({ dataDir: config.dataDir, role: 'collector', clock });
    const state: { url: string; lastImport: ImportState | null } = { url: '', lastImport: null };
    const details = (): Record<string, unknown> => ({
      url: state.url,
      accepted: counters.accepted,
      rejected: counters.rejected,
      warnings: counters.warnings,
      unavailable: counters.unavailable,
      rejectedByField: Object.fromEntries(counters.rejectedByField),
      import: state.lastImport,
    });
    const log = await openLogWriter(config, clock);
    closers.add(() => log.close());
    const jobs = openImportQueue(context, status);
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
    const trimmer = new Trimmer(config.dataDir, log);
    const timer = setInterval(() => {
      status.report({ details: details() });
      trimmer.run().catch((error: unknown) => {
        const code = error instanceof SwaError ? error.code : 'log.unavailable';
        status.report({
          lastError: { at: clock(), code, message: `cannot trim the log: ${messageOf(error)}` },
        });
      });
    }, reportEveryMs);
    timer.unref();
    closers.add(() => clearInterval(timer));
    return {
      routes: collectorRoutes({ log, urls, clock, counters }),
      log,
      listening(url) {
        state.url = url;
        status.report({ state: 'running', details: details() });
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
  status: StatusReporter,
): JobQueue<'import'> | undefined {
  try {
    return openJobQueue(config.dataDir, 'import', clock);
  } catch (error) {
    if (!(error instanceof SwaError && error.code === 'data-dir.unusable')) throw error;
    logger.error({ err: error }, 'background imports are waiting');
    status.report({ lastError: { at: clock(), code: error.code, message: error.message } });
    return undefined;
  }
}

/** The collector as a process of its own. */
export async function startCollector(context: RoleContext, formatOf?: FormatOf): Promise<RunningRole> {
  const endpoint = new HttpEndpoint(context); // first: it refuses keys and hosts, and has nothing to close yet
  const collector = await openCollector(context, formatOf);
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
