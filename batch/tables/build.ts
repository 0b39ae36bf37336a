/**
 * The recomputation by an engine: it computes tables from the master dataset and rules tables, and the view builder makes the view
 * of them, which is verified like any other. pipeline.ts has the same by our own threads.
 *
 *   rules                      rules tables of all distinct texts
 *   persons, facts, buckets    the engine
 *   index                      its tables become the view
 *   verify                     the view is read back and checked; a sample is recounted from the master dataset
 */
import { mkdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { timeEnd, timeStart } from '../../facts/fact.js';
import { Exclusions } from '../../facts/exclusions.js';
import { widthOf } from '../../lib/time/buckets.js';
import { offsetAt } from '../../log/cut.js';
import type { Topic } from '../../log/log.js';
import { columnsOf } from '../../master-data/schema.js';
import { verifySnapshotFiles } from '../../master-data/snapshot.js';
import type { StoredMeta } from '../../serving/meta.js';
import { openViewAt } from '../../serving/view-reader.js';
import { visitGapMs } from '../arrays/visit-pass.js';
import { BatchDb } from '../database.js';
import type { BuildOptions, BuildStatistics, BuiltView } from '../pipeline.js';
import { Recount } from '../recount.js';
import { verifyView } from '../verify.js';
import { viewMetaOf } from '../view-meta.js';
import {
  contractVersion,
  type Engine,
  type EngineProgress,
  type EngineStatistics,
  type Job,
} from './contract.js';
import { writeRulesTables, type RulesTables } from './rules-tables.js';
import { takeSample } from './sample.js';
import { readStatistics, type CappedComponent } from './statistics.js';
import { TablesDb } from './tables-db.js';
import { writeView } from './view-of-tables.js';

export type EngineBuildOptions = Omit<BuildOptions, 'starDir' | 'tuning'> & { readonly engine: Engine };

/** Builds and verifies a view. Throws as `buildView` does, and what the engine throws. */
export async function buildByEngine(options: EngineBuildOptions): Promise<BuiltView> {
  return new EngineBuild(options).run();
}

class EngineBuild {
  readonly #options: EngineBuildOptions;
  readonly #tempDir: string;
  readonly #limits: Pick<BuildOptions, 'tempDir' | 'memoryLimit' | 'threads'>;

  constructor(options: EngineBuildOptions) {
    this.#options = options;
    this.#tempDir = resolve(options.tempDir);
    const { memoryLimit, threads } = options;
    this.#limits = { tempDir: join(this.#tempDir, 'duckdb'), memoryLimit, threads };
  }

  async run(): Promise<BuiltView> {
    const { snapshot, rules, progress, signal, viewDir } = this.#options;
    const dir = join(this.#tempDir, 'rules');
    mkdirSync(dir, { recursive: true });
    progress.begin('rules');
    await verifySnapshotFiles(snapshot, signal === undefined ? {} : { signal });
    const onTexts = (texts: number): void => this.#step(texts);
    const tables = await writeRulesTables({ snapshot, rules, dir, ...this.#limits, onTexts });
    const job = this.#job(tables);
    await this.#compute(job);
    progress.begin('index');
    const directories = [...snapshot.files.map(({ path }) => dirname(resolve(path))), dir];
    const db = await TablesDb.open({ job, directories, ...this.#limits });
    try {
      const { statistics, capped } = await readStatistics(db);
      const meta = await this.#writeView(db, tables, statistics);
      progress.begin('verify');
      await this.#options.beforeVerify?.(viewDir);
      await this.#verify(db, tables, job, statistics);
      return { meta, statistics: this.#statistics(tables, statistics, capped) };
    } finally {
      db.close();
    }
  }

  #job({ rules, dimensions }: RulesTables): Job {
    const { snapshot, lgK, bucketMinutes, maxPersonIds, keptFrom = null } = this.#options;
    return {
      contract: contractVersion,
      cut: snapshot.cut,
      lgK,
      bucketMinutes,
      visitGapMs,
      maxPersonIds,
      times: { from: timeStart, to: timeEnd },
      keptFrom,
      columns: columnsOf,
      files: snapshot.files.map(({ topic, partition, path, sizeBytes, sha256, toOffset }) => ({
        topic,
        partition,
        path: resolve(path),
        sizeBytes,
        sha256,
        endOffset: Math.min(toOffset, offsetAt(snapshot.cut.next, `${topic}/${partition}`)),
      })),
      rules,
      dimensions,
      out: join(this.#tempDir, 'tables'),
    };
  }

  async #compute(job: Job): Promise<void> {
    const { engine, progress, signal } = this.#options;
    let last: EngineProgress = { step: 'persons', done: 0, of: 0 };
    progress.begin(last.step);
    await engine.compute({
      job,
      tempDir: join(this.#tempDir, 'engine'),
      signal,
      onProgress: (report) => {
        const isContinued = report.step === last.step && report.of === last.of && report.done >= last.done;
        if (!isContinued) progress.begin(report.step, report.of);
        progress.add(report.done - (isContinued ? last.done : 0));
        last = report;
      },
    });
    signal?.throwIfAborted();
  }

  #writeView(db: TablesDb, tables: RulesTables, statistics: EngineStatistics): Promise<StoredMeta> {
    const { rules, viewDir } = this.#options;
    return writeView({
      db,
      viewDir,
      dimensions: rules.dimensions.names,
      exclusions: tables.live,
      meta: viewMetaOf(this.#options, statistics.retractions),
      counted: statistics,
      onRows: (rows) => this.#step(rows),
    });
  }

  async #verify(db: TablesDb, tables: RulesTables, job: Job, { pageviews }: EngineStatistics): Promise<void> {
    const { snapshot, rules, previous, viewDir, signal, bucketMinutes, maxPersonIds, keptFrom } =
      this.#options;
    const exclusions = new Exclusions(tables.live, rules, keptFrom);
    const urls = job.rules.ofTexts.find(({ key }) => key === 'url')?.path ?? '';
    const batchDb = await BatchDb.open({ ...snapshot, facts: [], ...this.#limits });
    const view = openViewAt(viewDir);
    try {
      const { pages, repeats, buckets, edges } = await takeSample(
        { db, snapshot, rules, exclusions, maxPersonIds },
        urls,
      );
      const sample = { pages, buckets, width: widthOf(bucketMinutes), repeats, exclusions };
      const recount = await Recount.begin(batchDb, snapshot, sample);
      const sampledPages = recount.pages.map(({ url }) => url);
      await verifyView(view, { previous, pageviews, rules, sampledPages, sampledEdges: edges, recount });
    } catch (error) {
      signal?.throwIfAborted();
      await verifySnapshotFiles(snapshot);
      throw error;
    } finally {
      view.close();
      await batchDb.close();
    }
  }

  #statistics(
    { live, exclusionFacts }: RulesTables,
    found: EngineStatistics,
    capped: readonly CappedComponent[],
  ): BuildStatistics {
    const { files } = this.#options.snapshot;
    const rowsOf = (topic: Topic): number =>
      files.filter((file) => file.topic === topic).reduce((sum, { rows }) => sum + rows, 0);
    const pageviewRecords = rowsOf('pageviews');
    const edgeRecords = rowsOf('equivs') - exclusionFacts;
    const { pageviews, repeats, refusedUrls, botPageviews, excludedPageviews } = found;
    const { joinedIds, components, largestComponent, cappedComponents } = found;
    return {
      pageviewRecords,
      invalidPageviews:
        pageviewRecords - pageviews - repeats - refusedUrls - botPageviews - excludedPageviews,
      repeats,
      refusedUrls,
      botPageviews,
      excludedPageviews,
      pageviews,
      edgeRecords,
      refusedEdges: edgeRecords - found.edges,
      repeatedEdges: found.repeatedEdges,
      liveEdges: found.liveEdges,
      exclusionRecords: exclusionFacts,
      liveExclusions: live.length,
      masterBytesRead: files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
      starBytesRead: 0,
      persons: { joinedIds, components, largestComponent, cappedComponents, capped },
    };
  }

  #step(rows: number): void {
    this.#options.signal?.throwIfAborted();
    this.#options.progress.add(rows);
  }
}
