/**
 * The collector role: the log's writer, the routes and queued imports that add facts to it, and its entry on the status board. `swa start` mounts
 * the routes on its one endpoint and retries opening the log; `startCollector` serves the routes on a port of their own.
 */
import type { ImportState } from './import-state.js';
import { LogErasing } from '../facts/erase-log.js';
import { makeRules, type Rules } from '../facts/rules.js';
import { openAll, type Closers } from '../lib/process/closers.js';
import { openDataDir } from '../lib/files/data-dir.js';
import { SwaError, messageOf } from '../lib/errors/errors.js';
import { HttpEndpoint } from '../lib/http/endpoint.js';
import type { Route } from '../lib/http/route.js';
import type { LogWriter, NewRecord } from '../log/log.js';
import { openLogWriter } from '../log/open-log.js';
import { Trimmer } from '../log/retention.js';
import { openJobQueue, type JobQueue } from '../log/queue/job-queue.js';
import type { RoleContext, RunningRole } from '../lib/process/role.js';
import { StatusReporter } from '../lib/process/status.js';
import { ActiveErrors } from '../lib/process/active-errors.js';
import { logSink } from './fact-sinks.js';
import { ImportWorker } from './import-worker.js';
import type { FormatOf } from './line-format.js';
import { formatOf as coreFormats } from './ndjson.js';
import { collectorRoutes } from './collector.js';
import { Intake, newCounters } from './intake.js';
import type { OpenWayIn, WayIn } from './way-in.js';

export interface Collector {
  /** May be mounted before the log is open: until then, facts are rejected with `log.unavailable`. */
  readonly routes: readonly Route[];
  /** Throws `log.unavailable` while it is not open. */
  readonly log: LogWriter;
  /**
   * Opens the log for writing. Throws `data-dir.in-use` if another process is its writer; then nothing stays open, and it may be
   * called again. Stop the returned role when no more requests can arrive.
   */
  open(): Promise<RunningRole>;
  /** Reports on the status board where the routes are served. */
  listening(url: string): void;
  /** Call after the role that `open` returned has stopped. */
  close(): void;
}

/** Parts outside the core that the collector may be given. */
export interface AroundCore {
  /** File formats of queued imports; only NDJSON without it. */
  readonly formatOf?: FormatOf;
  readonly openWayIn?: OpenWayIn;
}

const reportEveryMs = 1_000;

/** Problems that do not stop the collector. */
type ErrorName =
  | 'facts are rejected'
  | 'the log is not trimmed'
  | 'erased ids stay in the log'
  | 'background imports are waiting';

/**
 * Makes the collector without opening its log. Throws `config.invalid` and the errors of `openDataDir`.
 */
export async function makeCollector(context: RoleContext, around: AroundCore = {}): Promise<Collector> {
  openDataDir(context.config, (text) => context.logger.warn(text));
  const collector = new MadeCollector(context, around.formatOf ?? coreFormats);
  await collector.openWayIn(around.openWayIn);
  return collector;
}

class MadeCollector implements Collector {
  readonly #context: RoleContext;
  readonly #formatOf: FormatOf;
  readonly #rules: Rules;
  readonly #intake: Intake;
  readonly #counters = newCounters();
  readonly #activeErrors: ActiveErrors<ErrorName>;
  #wayIn: WayIn | undefined;
  #log: LogWriter | undefined;
  #whyNotOpen: unknown;
  /** Defined while the log is open. */
  #status: StatusReporter | undefined;
  #url = '';
  #lastImport: ImportState | null = null;

  constructor(context: RoleContext, formatOf: FormatOf) {
    this.#context = context;
    this.#formatOf = formatOf;
    this.#activeErrors = new ActiveErrors(context.clock, 'log.unavailable');
    this.#rules = makeRules(context.config);
    this.#intake = new Intake({
      log: { append: (records) => this.#append(records) },
      urls: this.#rules.url,
      clock: context.clock,
      counters: this.#counters,
    });
  }

  async openWayIn(open: OpenWayIn | undefined): Promise<void> {
    this.#wayIn = await open?.(this.#context, this.#intake);
  }

  get routes(): readonly Route[] {
    const core = collectorRoutes({ intake: this.#intake, browserEvents: this.#wayIn?.browserEvents });
    return [...core, ...(this.#wayIn?.routes ?? [])];
  }

  get log(): LogWriter {
    if (this.#log !== undefined) return this.#log;
    const cause = this.#whyNotOpen;
    const why = cause === undefined ? '' : `: ${messageOf(cause)}`;
    throw new SwaError('log.unavailable', `the log is not open for writing${why}`, {
      cause,
      retryable: true,
    });
  }

  async open(): Promise<RunningRole> {
    try {
      return await openAll((closers) => this.#open(closers));
    } catch (error) {
      this.#whyNotOpen = error;
      throw error;
    }
  }

  listening(url: string): void {
    this.#url = url;
    this.#report();
  }

  close(): void {
    this.#wayIn?.close();
  }

  async #open(closers: Closers): Promise<RunningRole> {
    const { config, clock } = this.#context;
    const log = await openLogWriter(config, clock);
    closers.add(() => log.close());
    this.#activeErrors.clear();
    let imports = this.#openImports(log);
    closers.add(() => imports?.stop());
    const trimmer = new Trimmer(config.dataDir, log);
    const erasing = new LogErasing(config.dataDir, log, { clock, urls: this.#rules.url });
    closers.add(() => erasing.stop());
    const timer = setInterval(() => {
      this.#report();
      imports ??= this.#openImports(log);
      trimmer.run().then(
        () => this.#activeErrors.resolve('the log is not trimmed'),
        (error: unknown) => this.#activeErrors.add('the log is not trimmed', error),
      );
      erasing.run().then(
        () => this.#activeErrors.resolve('erased ids stay in the log'),
        (error: unknown) => this.#activeErrors.add('erased ids stay in the log', error),
      );
    }, reportEveryMs);
    timer.unref();
    closers.add(() => clearInterval(timer));
    this.#log = log;
    this.#status = new StatusReporter({ dataDir: config.dataDir, role: 'collector', clock });
    this.#report();
    return {
      done: new Promise(() => undefined), // a collector ends only by `stop`
      stop: async () => {
        this.#log = undefined;
        await closers.close();
        this.#status?.report({ state: 'stopped', details: this.#details() });
        this.#status = undefined;
      },
    };
  }

  /** Opens the queue of imports. If that fails, reports it and returns undefined; the collector still accepts facts. */
  #openImports(log: LogWriter): ImportWorker | undefined {
    const { config, clock, logger } = this.#context;
    let jobs: JobQueue<'import'>;
    try {
      jobs = openJobQueue(config.dataDir, 'import', clock);
    } catch (error) {
      if (!this.#activeErrors.has('background imports are waiting'))
        logger.error({ err: error }, 'background imports are waiting');
      this.#activeErrors.add('background imports are waiting', error);
      return undefined;
    }
    this.#activeErrors.resolve('background imports are waiting');
    return new ImportWorker({
      dataDir: config.dataDir,
      jobs,
      sink: logSink(log, this.#rules.url),
      urls: this.#rules.url,
      bots: this.#rules.bots,
      formatOf: this.#formatOf,
      clock,
      onChange: (change) => (this.#lastImport = change),
    });
  }

  async #append(records: readonly NewRecord[]): Promise<void> {
    try {
      await this.log.append(records);
      this.#activeErrors.resolve('facts are rejected');
    } catch (error) {
      this.#activeErrors.add('facts are rejected', error);
      throw error;
    }
  }

  /** Reports the status once the address is known and while the log is open. The supervisor reports a failed role. */
  #report(): void {
    if (this.#url === '') return;
    this.#status?.report({
      state: 'running',
      details: this.#details(),
      lastError: this.#activeErrors.newest,
    });
  }

  #details(): Record<string, unknown> {
    const { accepted, rejected, warnings, unavailable, rejectedByField } = this.#counters;
    return {
      url: this.#url,
      accepted,
      rejected,
      warnings,
      unavailable,
      rejectedByField: Object.fromEntries(rejectedByField),
      import: this.#lastImport,
      ...this.#wayIn?.details(),
    };
  }
}

/** The collector as a process of its own. */
export async function startCollector(context: RoleContext, around?: AroundCore): Promise<RunningRole> {
  const endpoint = new HttpEndpoint(context); // first: it throws for invalid keys and hosts, and has nothing to close yet
  const collector = await makeCollector(context, around);
  endpoint.mount(collector.routes);
  return openAll(async (closers) => {
    closers.add(() => collector.close());
    const opened = await collector.open();
    closers.add(() => opened.stop());
    const { origin } = await endpoint.listen(context.config.collectorPort);
    closers.add(() => endpoint.close());
    collector.listening(origin);
    context.logger.info({ url: `${origin}/v1/events` }, 'collector listens');
    return { done: opened.done, stop: () => closers.close() };
  });
}
