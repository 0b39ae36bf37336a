/** The stages of `swa recover`. A stage is planned when the earlier ones are done, because it reads the files that they repair. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../lib/time/clock.js';
import type { Config } from '../lib/config/config.js';
import { secretPath } from '../lib/files/dir-secret.js';
import { checkDataDir, createFormat, formatPath, roomOf } from '../lib/files/data-dir.js';
import { SwaError, messageOf } from '../lib/errors/errors.js';
import { queueDamage } from '../log/queue/queue-look.js';
import { moveAside } from '../lib/files/removal.js';
import { inspectLog } from '../log/embedded/salvage.js';
import type { PartitionName } from '../log/log.js';
import { openExistingLog } from '../log/open-log.js';
import { partitionsOf } from '../log/partitioner.js';
import { namesIn, storedLogId } from '../log/stored.js';
import type { RecoveryPlace, RecoveryStep } from '../lib/files/recovery.js';
import { readRoot } from '../master-data/manifest.js';
import { logIdOfManifests, planPartition, planRoot, type RootContent } from '../master-data/rebuild.js';
import { planGap, planLog } from '../master-data/recover.js';
import { planViews } from '../serving/recover.js';
import { listViews } from '../serving/store.js';
import { furthestRead, planStores } from '../speed/store/recover.js';

export interface Outcome {
  readonly finding: string;
  readonly action: string;
  readonly loses: string | null;
  readonly done: boolean;
}

export interface Recovery {
  readonly steps: readonly Outcome[];
  /** Stages that cannot be planned until the steps above are done, each with the reason. */
  readonly later: readonly string[];
}

interface Stage {
  readonly about: string;
  readonly plan: () => RecoveryStep[] | Promise<RecoveryStep[]>;
}

/**
 * Checks the whole data directory and, if asked to, repairs it.
 * @param repair carries out the steps that lose no facts
 * @param acceptLoss also carries out the steps that lose facts
 */
export async function recoverDataDir(
  { config, clock }: { readonly config: Config; readonly clock: Clock },
  { repair, acceptLoss }: { readonly repair: boolean; readonly acceptLoss: boolean },
): Promise<Recovery> {
  const now = clock();
  const asideDir = join(config.dataDir, 'damaged', new Date(now).toISOString().replaceAll(':', '-'));
  const steps: Outcome[] = [];
  const later: string[] = [];
  for (const { about, plan } of stagesOf(config, { dataDir: config.dataDir, asideDir, now })) {
    let planned: RecoveryStep[];
    try {
      planned = await plan();
    } catch (error) {
      if (steps.every(({ done }) => done)) throw error;
      later.push(`${about}: ${messageOf(error)}`);
      continue;
    }
    for (const { finding, action, loses, run } of planned) {
      const done = repair && (loses === undefined || acceptLoss);
      if (done) await run();
      steps.push({ finding, action, loses: loses ?? null, done });
    }
  }
  return { steps, later };
}

function stagesOf(config: Config, place: RecoveryPlace): Stage[] {
  const { dataDir } = config;
  const isEmbedded = config.kafkaBrokers.length === 0;
  const partitions = partitionsOn(config);
  return [
    { about: 'the format of the data directory', plan: () => planFormat(config, place) },
    {
      about: 'the root of the master dataset',
      plan: () => planRoot(place, rootContent(dataDir, partitions)),
    },
    ...partitions.map((name) => ({
      about: `the master dataset’s ${name}`,
      plan: async () => {
        const root = readRoot(dataDir);
        return root === undefined ? [] : planPartition(place, root, name, await logBegin(config, name));
      },
    })),
    ...(isEmbedded ? [{ about: 'the log', plan: () => planLog(place, config, furthestRead(dataDir)) }] : []),
    { about: 'the start of the log', plan: () => planGapOf(config, place) },
    { about: 'the batch views', plan: () => planViews(place) },
    { about: 'the realtime stores', plan: () => planStores(place) },
    { about: 'the job queues', plan: () => planQueues(place) },
  ];
}

/** Partitions named by the master dataset's root; without a root, by the log, the folders or the configuration. */
function partitionsOn({ dataDir, partitions }: Config): readonly PartitionName[] {
  try {
    const root = readRoot(dataDir);
    if (root !== undefined) return root.body.partitions;
  } catch {
    // it is rebuilt
  }
  const ofLog = inspectLog(roomOf(dataDir, 'log'), {
    logId: undefined,
    pageviewPartitions: undefined,
  }).partitions;
  if (ofLog.length > 0) return ofLog;
  const folders = namesIn(join(roomOf(dataDir, 'master'), 'pageviews')).flatMap(
    (name) => /^p(\d+)$/.exec(name)?.[1] ?? [],
  );
  return partitionsOf(folders.length > 0 ? 1 + Math.max(...folders.map(Number)) : partitions);
}

function rootContent(dataDir: string, partitions: readonly PartitionName[]): RootContent | undefined {
  if (
    !existsSync(join(roomOf(dataDir, 'master'), 'pageviews')) &&
    !existsSync(join(roomOf(dataDir, 'master'), 'root.json'))
  )
    return undefined;
  const ofLog = inspectLog(roomOf(dataDir, 'log'), { logId: undefined, pageviewPartitions: undefined }).logId;
  const logId = logIdOfManifests(dataDir, partitions) ?? ofLog ?? listViews(dataDir).at(-1)?.cut.logId;
  if (logId === undefined) {
    throw new SwaError(
      'master.corrupt',
      `cannot tell which log the facts in '${dataDir}' came from: no file names it`,
      {
        hint: 'restore master/root.json, one manifest or log/format.json from a backup',
      },
    );
  }
  return { logId, partitions };
}

function planFormat(config: Config, { dataDir, asideDir }: RecoveryPlace): RecoveryStep[] {
  try {
    checkDataDir(config);
    return [];
  } catch (error) {
    if (!(error instanceof SwaError && error.code === 'data-dir.unusable')) throw error;
    const { lgK, bucketMinutes } = listViews(dataDir).at(-1) ?? config;
    return [
      {
        finding: error.message,
        action: `create it again, with lgK ${lgK} and base buckets of ${bucketMinutes} minutes`,
        run: () => {
          moveAside(formatPath(dataDir), asideDir);
          createFormat({ dataDir, lgK, bucketMinutes, hashesAddresses: existsSync(secretPath(dataDir)) });
        },
      },
    ];
  }
}

/** First offset of a partition that the log still has; undefined if it has none. */
async function logBegin(config: Config, name: PartitionName): Promise<number | undefined> {
  if (config.kafkaBrokers.length > 0) {
    const log = await openExistingLog(config);
    try {
      return (await log.earliest())[name];
    } finally {
      await log.close();
    }
  }
  const { dataDir } = config;
  const { runs } = inspectLog(roomOf(dataDir, 'log'), {
    logId: storedLogId(dataDir),
    pageviewPartitions: undefined,
  });
  return runs.get(name)?.[0]?.from;
}

async function planGapOf(config: Config, place: RecoveryPlace): Promise<RecoveryStep[]> {
  if (readRoot(config.dataDir) === undefined) return [];
  const log = await openExistingLog(config);
  try {
    const own = { id: log.id, partitions: log.partitions };
    const [latest, earliest] = [await log.latest(), await log.earliest()];
    return await planGap(place, { ...own, latest: async () => latest, earliest: async () => earliest });
  } finally {
    await log.close();
  }
}

function planQueues({ dataDir, asideDir }: RecoveryPlace): RecoveryStep[] {
  return namesIn(roomOf(dataDir, 'jobs')).flatMap((kind) => {
    const dir = join(roomOf(dataDir, 'jobs'), kind);
    const damage = queueDamage(dir);
    if (damage === undefined) return [];
    return [
      {
        finding: `the queue ${damage}`,
        action: 'move it aside; jobs that were waiting in it must be requested again',
        run: () => {
          for (const name of namesIn(dir)) moveAside(join(dir, name), join(asideDir, 'jobs', kind));
        },
      },
    ];
  });
}
