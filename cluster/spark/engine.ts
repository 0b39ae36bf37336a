/** Apache Spark as the engine of batch runs: SWA_BATCH_ENGINE=spark. */
import { join } from 'node:path';
import type { Engine, EngineModule, EngineProgress } from '../../batch/tables/contract.js';
import type { Config } from '../../lib/config/config.js';
import { roomOf } from '../../lib/files/data-dir.js';
import { systemClock } from '../../lib/time/clock.js';
import { openStore } from '../store/open-store.js';
import { StoreJobStorage, localJobStorage, type JobStorage } from './job-storage.js';
import { submit } from './submit.js';

export const openEngine: EngineModule['openEngine'] = (config, environment): Engine => ({
  async compute({ job, tempDir, onProgress, signal }) {
    const storage = await jobStorageOf(config);
    try {
      const at = await storage.put(job, tempDir);
      let progress: EngineProgress = { step: 'persons', done: 0, of: 0 };
      await submit({
        command: config.sparkSubmit,
        options: s3aOptions(config),
        environment,
        jobs: [at],
        logPath: join(roomOf(config.dataDir, 'batch'), 'spark.log'),
        onMessage: ({ step = progress.step, done, of }) => {
          if (done === undefined || of === undefined) return;
          progress = { step, done, of };
          onProgress(progress);
        },
        signal,
      });
      await storage.fetch(job);
    } finally {
      await storage.close();
    }
  },
});

/** A store in a directory is on this machine as well. */
async function jobStorageOf(config: Config): Promise<JobStorage> {
  return config.store.startsWith('s3:')
    ? new StoreJobStorage(await openStore(config), systemClock)
    : localJobStorage;
}

/** Options that point Spark at the same service. Credentials it finds by itself, as Amazon's tools do. */
function s3aOptions({ store, storeEndpoint, storeRegion }: Config): string[] {
  if (!store.startsWith('s3:')) return [];
  const settings = {
    'endpoint.region': storeRegion,
    ...(storeEndpoint === ''
      ? {}
      : {
          endpoint: storeEndpoint,
          'path.style.access': 'true',
          'connection.ssl.enabled': String(storeEndpoint.startsWith('https:')),
        }),
  };
  return Object.entries(settings).flatMap(([name, value]) => [
    '--conf',
    `spark.hadoop.fs.s3a.${name}=${value}`,
  ]);
}
