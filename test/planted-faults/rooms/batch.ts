/** Faults of batch runs and their schedule. */
import type { PlantedFault } from '../fault.js';
import { edit, faultsOf } from '../room-fault.js';

const fault = faultsOf('batch');

export const batchFaults: readonly PlantedFault[] = [
  fault(
    'erasing',
    'erased texts stay in the log',
    edit(
      'batch/erasing.ts',
      'await eraseInLog(dataDir, log, order, signal);',
      'await eraseInLog(dataDir, log, { ...order, values: [] }, signal);',
    ),
  ),
  fault(
    'erasing',
    'a view from before an erasure serves again',
    edit('serving/store.ts', 'requireErasures(dataDir, id);\n', '\n'),
  ),
  fault(
    'erasing',
    'old pageviews count after a run',
    edit('batch/arrays/excluded.ts', 'if (time < keptFrom) return true;', ''),
  ),
  fault(
    'kept-from',
    'old edges of ids that are not seen any more join',
    edit(
      'batch/sql/edges.sql',
      'where timestamp >= {keptFrom} or lo in (from seen) or hi in (from seen)',
      '',
    ),
  ),
  fault(
    'erasing',
    'old edges stay in the log',
    edit(
      'facts/erased-record.ts',
      'fact.timestamp < olderThan && edges.has(fact)',
      'edges.isEmpty && edges.has(fact)',
    ),
  ),
  fault(
    'run-lock',
    'two runs are at work at once',
    edit(
      'batch/run.ts',
      'OwnerLock.acquire(batchLockPath(config.dataDir),',
      'OwnerLock.acquire(`${batchLockPath(config.dataDir)}.${process.pid}`,',
    ),
  ),
  fault(
    'schedule',
    'a slot comes again when the clock is set back',
    edit(
      'batch/schedule.ts',
      'return elapsed - this.#dueAt >= pace - Math.min(5 * secondMs, pace / 4) && this.#due();',
      'return elapsed - this.#dueAt >= 0 * pace && this.#due();',
    ),
  ),
  fault(
    'schedule',
    'slots that a step forward passes over are lost',
    edit(
      'batch/schedule.ts',
      'return this.#slots.last(settled, now) !== undefined && this.#due();',
      'return this.#slots.last(Math.max(settled, now - minuteMs), now) !== undefined && this.#due();',
    ),
  ),
  fault(
    'no-one-by-accident',
    'a retraction is taken for an equiv fact',
    edit(
      'batch/sql/live-edges.sql',
      '(timestamp, partition, "offset")) = 1;',
      '(timestamp, partition, "offset")) >= 0;',
    ),
  ),
  fault(
    'tables',
    'a bucket that an engine gives twice is taken',
    edit('batch/tables/view-of-tables.ts', '} else if (bucket <= last) {', '} else if (bucket < last) {'),
  ),
  fault(
    'tables',
    'pages that a prefix excludes are not given to an engine',
    edit(
      'batch/tables/rules-tables.ts',
      "if (exclusions.timesOf('urlPrefix', page.url) !== undefined) excludedPages.add(page.url);",
      '',
    ),
  ),
  fault(
    'tables',
    'persons that an engine forgets are not missed',
    edit('batch/tables/sample.ts', 'where ${maxPersonIds === 0}', 'where false'),
  ),
  fault(
    'kernel',
    'the visits of another share of the persons take no time',
    edit('batch/sorts/buckets.ts', 'a.durationMs + b.durationMs', 'a.durationMs'),
  ),
  fault(
    'kernel',
    'visits of a bucket that last 50 days together begin again from 0',
    edit('batch/arrays/visit-pass.ts', ' + 2 ** 32 * counts[at + visitWords.highMs]', ''),
  ),
  fault(
    'exact',
    'the whole run takes a visit to last a millisecond longer',
    edit('batch/sql/whole-run.sql', 'sum(ended - began) as duration', 'sum(ended - began + 1) as duration'),
  ),
  fault(
    'runs',
    'a run takes the processors from facts and questions',
    edit('batch/run-main.ts', 'PRIORITY_BELOW_NORMAL', 'PRIORITY_NORMAL'),
  ),
];
