/** Apache Spark as the engine of batch runs: SWA_BATCH_ENGINE=spark. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Engine, EngineModule, Job } from '../../batch/tables/contract.js';
import { roomOf } from '../../lib/files/data-dir.js';
import { submit } from './submit.js';

export const openEngine: EngineModule['openEngine'] = ({ dataDir, sparkSubmit }, environment): Engine => {
  return {
    async compute({ job, tempDir, onProgress, signal }) {
      mkdirSync(tempDir, { recursive: true });
      const jobPath = writeJob(job, tempDir);
      await submit({
        command: sparkSubmit,
        environment,
        jobs: [jobPath],
        logPath: join(roomOf(dataDir, 'batch'), 'spark.log'),
        onMessage: ({ step, done = 0, of = 0 }) => {
          if (step !== undefined) onProgress({ step, done, of });
        },
        signal,
      });
    },
  };
};

/** Writes the job with its paths as Spark takes them; returns its own. */
export function writeJob(job: Job, dir: string): string {
  const path = join(dir, 'job.json');
  writeFileSync(path, JSON.stringify(job), { flag: 'wx' });
  return path;
}
