/**
 * The whole system in one process. Collector, query and the batch schedule share the main thread; sink and speed layer have
 * threads of their own, and each is started again when it fails (supervise.ts). Started from the log outwards, stopped in reverse, so that at any moment what runs finds what it reads.
 */
import { openCollector } from '../ingest/role.js';
import { aroundCore } from './roles.js';
import { openAll } from '../lib/process/closers.js';
import { unusable } from '../lib/files/data-dir.js';
import { SwaError, systemCode } from '../lib/errors/errors.js';
import { HttpEndpoint } from '../lib/http/endpoint.js';
import { distance, namesOf, zeroOffsets } from '../log/cut.js';
import type { LogWriter } from '../log/log.js';
import type { RoleContext, RunningRole } from '../lib/process/role.js';
import { startBatch } from '../batch/role.js';
import { openQuery } from '../query/open.js';
import { startRoleThread } from './role-thread.js';
import { supervise } from './supervise.js';

export interface RunningSystem extends RunningRole {
  /** 'http://127.0.0.1:8080' */
  readonly origin: string;
  readonly log: LogWriter;
  /** How many facts the log held at start. */
  readonly factsInLog: number;
}

/** Throws `data-dir.in-use`, `port.in-use`, `data-dir.unusable`: then nothing runs. */
export async function startSystem(context: RoleContext): Promise<RunningSystem> {
  const { config } = context;
  return openAll(async (closers) => {
    const endpoint = new HttpEndpoint(context);
    const collector = await openCollector(context, aroundCore);
    closers.add(() => collector.close());
    endpoint.mount(collector.routes);
    const query = await openQuery(context, endpoint);
    closers.add(() => query.close());
    const { origin } = await endpoint.listen(config.httpPort);
    closers.add(() => endpoint.close());
    collector.listening(origin);
    query.listening(origin);
    const roles: RunningRole[] = [];
    for (const start of [
      () => supervise('sink', () => startRoleThread('sink', config), context),
      () => supervise('speed', () => startRoleThread('speed', config), context),
      () => supervise('batch', () => startBatch(context), context),
    ]) {
      const role = await start();
      roles.push(role);
      closers.add(() => role.stop());
    }
    const latest = await collector.log.latest();
    return {
      origin,
      log: collector.log,
      factsInLog: distance(zeroOffsets(namesOf(latest)), latest),
      done: Promise.race(roles.map((role) => role.done)),
      stop: () => closers.close(),
    };
  }).catch((error: unknown) => {
    throw explain(error, config.dataDir);
  });
}

function explain(error: unknown, dataDir: string): unknown {
  if (!(error instanceof SwaError) && systemCode(error) !== undefined) return unusable(dataDir, error);
  if (!(error instanceof SwaError) || error.code !== 'data-dir.in-use') return error;
  return new SwaError(
    'data-dir.in-use',
    `another swa process holds the data directory '${dataDir}': ${error.message}`,
    {
      cause: error,
      hint: 'it was not touched. Stop it first, or set SWA_DATA_DIR and SWA_HTTP_PORT to run a second one',
    },
  );
}
