/** Audits the job queues. It opens copies, because opening a queue's own file would lock it and create files. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../../lib/time/clock.js';
import { roomOf } from '../../lib/files/data-dir.js';
import { messageOf } from '../../lib/errors/errors.js';
import { lmdbDamage } from '../../lib/files/lmdb-file.js';
import type { Findings } from '../../lib/errors/finding.js';
import { namesIn } from '../stored.js';
import { isJobKind, openJobQueue } from './job-queue.js';

const fix =
  'stop the system and run `swa recover --yes`, which moves it aside; jobs that were waiting in it must be requested again';

/** @param scratchDir an empty folder for the copies, which are as large as the queues */
export async function auditQueues(
  dataDir: string,
  scratchDir: string,
  clock: Clock,
  report: Findings,
): Promise<void> {
  for (const kind of namesIn(roomOf(dataDir, 'jobs'))) {
    const dir = join(roomOf(dataDir, 'jobs'), kind);
    if (!isJobKind(kind)) {
      report.add(`${dir} is not a queue of jobs`, 'delete it');
      continue;
    }
    const path = join(dir, 'data.mdb');
    if (!existsSync(path)) {
      report.leftover(`${path} is missing: no job is waiting`, 'nothing: it is created when needed');
      continue;
    }
    try {
      const copyDir = join(roomOf(scratchDir, 'jobs'), kind);
      mkdirSync(copyDir, { recursive: true });
      writeFileSync(join(copyDir, 'data.mdb'), readFileSync(path)); // a queue holds at most 1,000 jobs
      const damage = lmdbDamage(join(copyDir, 'data.mdb'));
      if (damage !== undefined) {
        report.add(`the queue ${path} is damaged: ${damage}`, fix);
        continue;
      }
      const queue = openJobQueue(scratchDir, kind, clock);
      try {
        queue.list();
      } finally {
        await queue.close();
      }
    } catch (error) {
      report.add(
        `the queue ${path} holds a job that cannot be read: ${messageOf(error)}`,
        `stop the system and delete ${dir}; jobs that were waiting in it must be requested again`,
      );
    }
  }
}
