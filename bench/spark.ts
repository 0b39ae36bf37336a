/**
 * Row `spark`: a full recomputation by Apache Spark with two threads on this machine, against our own threads without a star, over the same generated
 * facts with all dimensions. Both views must have the same content hash. ROWS sets another number of pageviews.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildView, type BuildOptions } from '../batch/pipeline.js';
import { ProgressMeter } from '../batch/progress.js';
import { buildByEngine } from '../batch/tables/build.js';
import { openEngine } from '../cluster/spark/engine.js';
import { makeRules } from '../facts/rules.js';
import { configWith } from '../lib/config/config.js';
import { openDataDir } from '../lib/files/data-dir.js';
import { skipSpark, sparkEnvironment, submitOf } from '../test/spark/spark.js';
import { makePageviewFiles } from './pageview-files.js';
import type { BenchOptions, BenchResult } from './row.js';
import { measureWork, type WorkTime } from './work-time.js';

export async function run({ quick }: BenchOptions): Promise<BenchResult> {
  if (skipSpark !== false) throw new Error(skipSpark);
  const dir = mkdtempSync(join(tmpdir(), 'swa-bench-spark-'));
  const pageviews = Number(process.env['ROWS'] ?? (quick ? 100_000 : 2_000_000));
  try {
    const config = configWith({
      dataDir: join(dir, 'data'),
      batchEngine: 'spark',
      sparkSubmit: [...submitOf('3g', { 'spark.sql.shuffle.partitions': '8' })],
    });
    openDataDir(config);
    const snapshot = await makePageviewFiles({
      dir: join(dir, 'master'),
      pageviews,
      ids: pageviews / 10,
      edges: Math.round(pageviews * 0.035),
      urls: Math.min(100_000, pageviews / 20),
      days: 90,
      drawn: 'popular',
    });
    const steps: Record<string, string> = {};
    const optionsOf = (name: string, progress: ProgressMeter): BuildOptions => ({
      snapshot,
      rules: makeRules({ urlQueryAllow: [], bots: 'exclude' }),
      lgK: config.lgK,
      bucketMinutes: config.bucketMinutes,
      maxPersonIds: 0,
      number: 1,
      createdAt: 0,
      previous: undefined,
      viewDir: join(dir, `view-${name}`),
      tempDir: join(dir, `temp-${name}`),
      memoryLimit: config.batchMemory,
      threads: config.batchThreads,
      progress,
    });
    const hashes: string[] = [];
    const measure = async (name: 'ours' | 'theirs'): Promise<WorkTime> => {
      const progress = new ProgressMeter(
        () => performance.now(),
        () => undefined,
      );
      const options = optionsOf(name, progress);
      const children = childSeconds();
      const own = await measureWork(async () => {
        const { meta } = await (name === 'ours'
          ? buildView(options)
          : buildByEngine({ ...options, engine: openEngine(config, sparkEnvironment) }));
        hashes.push(meta.view.contentHash);
      });
      steps[name] = Object.entries(progress.finish())
        .map(([step, ms]) => `${step} ${Math.round(ms)}`)
        .join(', ');
      return { ...own, processorSeconds: own.processorSeconds + childSeconds() - children };
    };
    const theirs = await measure('theirs');
    const ours = await measure('ours');
    return {
      target: 'the same content hash',
      met: new Set(hashes).size === 1,
      ratio: theirs.processorSeconds / ours.processorSeconds,
      figures: {
        pageviews,
        spark: shown(theirs, pageviews),
        ownThreads: shown(ours, pageviews),
        sparkStepsMs: steps['theirs'] ?? '',
        ownStepsMs: steps['ours'] ?? '',
        contentHashes: [...new Set(hashes)].join(' '),
      },
    };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function shown({ processorSeconds, seconds }: WorkTime, facts: number): string {
  return `${processorSeconds.toFixed(1)} CPU-seconds in ${seconds.toFixed(1)} s, ${((1e6 * processorSeconds) / facts).toFixed(1)} us of CPU a fact`;
}

/** CPU time in seconds of ended child processes and their descendants; Linux counts it in hundredths. */
function childSeconds(): number {
  const fields = readFileSync('/proc/self/stat', 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[13]) + Number(fields[14])) / 100;
}
