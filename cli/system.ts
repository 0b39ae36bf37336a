/**
 * Runs the whole system in one process. Collector, query and the batch schedule share the main thread; sink and speed layer have
 * threads of their own. A role that fails is restarted (supervise.ts); the query layer retries at each question what it could
 * not open. Roles start from the log outwards and stop in reverse, so that each finds what it reads.
 */
import { makeCollector, type Collector } from '../ingest/role.js';
import { aroundCore, aroundQuery, startOf } from './roles.js';
import { openAll } from '../lib/process/closers.js';
import { unusable } from '../lib/files/data-dir.js';
import { SwaError, systemCode } from '../lib/errors/errors.js';
import { HttpEndpoint } from '../lib/http/endpoint.js';
import { distance, namesOf, zeroOffsets } from '../log/cut.js';
import type { LogWriter } from '../log/log.js';
import type { RoleContext, RunningRole } from '../lib/process/role.js';
import type { Role } from '../lib/process/status.js';
import { openQuery } from '../query/open.js';
import { startRoleThread } from './role-thread.js';
import { openSharedIfSet } from './shared.js';
import { supervise } from './supervise.js';

export interface RunningSystem extends RunningRole {
  /** 'http://127.0.0.1:8080' */
  readonly origin: string;
  /** Throws `log.unavailable` while it is not open. */
  readonly log: LogWriter;
  /** How many facts the log held at start; undefined where it could not be read. */
  readonly factsInLog: number | undefined;
}

/** Throws `config.invalid`, `data-dir.in-use`, `data-dir.unusable`, `port.in-use`, `log.mismatch`; nothing is left running. */
export async function startSystem(context: RoleContext): Promise<RunningSystem> {
  const { config } = context;
  return openAll(async (closers) => {
    const endpoint = new HttpEndpoint(context);
    const roles: RunningRole[] = [];
    const supervised = async (role: Role, start: () => Promise<RunningRole>): Promise<void> => {
      const running = await supervise(role, start, context);
      closers.add(() => running.stop());
      roles.push(running);
    };
    const collector = await makeCollector(context, aroundCore);
    closers.add(() => collector.close());
    endpoint.mount(collector.routes);
    await supervised('collector', () => collector.open());
    const shared = await openSharedIfSet(context);
    if (shared !== undefined) {
      closers.add(async () => shared.close());
      const follower = await shared.follow(context.logger);
      closers.add(() => follower.close());
    }
    const query = await openQuery(context, endpoint, {
      ...(await aroundQuery(config)),
      realtime: await shared?.realtime(context.logger),
    });
    closers.add(() => query.close());
    const { origin } = await endpoint.listen(config.httpPort);
    closers.add(() => endpoint.close());
    collector.listening(origin);
    query.listening(origin);
    await supervised('sink', () => startRoleThread('sink', config));
    await supervised('speed', () => startRoleThread('speed', config));
    await supervised('batch', async () => (await startOf.batch())(context));
    const factsInLog = await countFacts(collector);
    return {
      origin,
      get log() {
        return collector.log;
      },
      factsInLog,
      done: Promise.race(roles.map((role) => role.done)),
      stop: () => closers.close(),
    };
  }).catch((error: unknown) => {
    throw explain(error, config.dataDir);
  });
}

async function countFacts(collector: Collector): Promise<number | undefined> {
  try {
    const latest = await collector.log.latest();
    return distance(zeroOffsets(namesOf(latest)), latest);
  } catch {
    return undefined; // the collector's entry on the board says why
  }
}

function explain(error: unknown, dataDir: string): unknown {
  if (!(error instanceof SwaError) && systemCode(error) !== undefined) return unusable(dataDir, error);
  if (!(error instanceof SwaError) || error.code !== 'data-dir.in-use') return error;
  return new SwaError(
    'data-dir.in-use',
    `another swa process holds the data directory '${dataDir}': ${error.message}`,
    {
      cause: error,
      hint: 'nothing was changed. Stop that process first, or set SWA_DATA_DIR and SWA_HTTP_PORT to run a second system',
    },
  );
}
