/**
 * The recomputation: from a snapshot to a finished view in a directory of its own. A pure function of snapshot, code and
 * rules: what reaches the writer is in a total order, so threads, file layout and machine leave no trace.
 *
 *   snapshot  every file is what its manifest says, and is read by nothing before that is known
 *   repeats   pageviews that repeat an earlier one: suspects by hash, decided by text (facts/repeat-finder.ts)
 *   persons   live edges -> union-find -> PersonID of every joined id; at work beside these two from the start (persons/)
 *   facts     one scan of the pageviews: dictionaries of pages, domains, hours and persons; a fact is five numbers, and
 *             lies in the shard of its domain; meanwhile persons are written (facts/)
 *   buckets   threads sort the facts shard by shard: by (page, hour) and (domain, hour) for the buckets, by (domain,
 *             person) for visits and bounces (sorts/)
 *   index     pages, domains, visits and listings in key order; meanwhile DuckDB recounts a sample
 *   verify    the view is read back and checked
 */
import { UBIGINT } from '@duckdb/node-api';
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Rules } from '../lib/facts/rules.js';
import { KeyedHash, hashKeyBytes, hashWords } from '../lib/hash/keyed-hash.js';
import type { Topic } from '../lib/log/log.js';
import type { ViewMeta } from '../lib/views/view.js';
import { verifySnapshotFiles, type Snapshot, type SnapshotFile } from '../master-data/snapshot.js';
import { codeVersion } from '../serving/code-version.js';
import type { StoredMeta } from '../serving/meta.js';
import { openViewAt } from '../serving/view-reader.js';
import { ViewWriter } from '../serving/view-writer.js';
import { Buckets } from './sorts/buckets.js';
import { FactCollector, takenTypes } from './facts/collector.js';
import { words } from './columns.js';
import { BatchDb } from './database.js';
import { FactStore } from './facts/fact-store.js';
import { writeIndex } from './index-pass.js';
import type { FoundPersons } from './persons/person-job.js';
import { PersonThread } from './persons/person-thread.js';
import type { PersonStatistics } from './persons/persons.js';
import type { ProgressMeter } from './progress.js';
import { RepeatFinder, Suspects } from './facts/repeat-finder.js';
import type { SortedListener } from './sorts/lane.js';
import { jobKinds } from './sorts/sort-job.js';
import { makeSortJobs } from './sorts/sort-keys.js';
import { Recount } from './recount.js';
import { runSortJobs } from './sorts/sort-jobs.js';
import { verifyView } from './verify.js';

export interface BuildOptions {
  readonly snapshot: Snapshot;
  readonly rules: Rules;
  readonly lgK: number;
  readonly maxPersonIds: number;
  readonly number: number;
  readonly createdAt: number;
  /** The view that serves now: the new one may not lie behind it. */
  readonly previous: ViewMeta | undefined;
  /** Where the view is built; must not exist. */
  readonly viewDir: string;
  readonly tempDir: string;
  readonly memoryLimit: string;
  readonly threads: number;
  readonly progress: ProgressMeter;
  readonly signal?: AbortSignal;
  /** Sizes that tests make small; the result does not depend on them. */
  readonly tuning?: Partial<Tuning>;
  /** Called with the finished files before they are verified: for tests of what verification must find. */
  readonly beforeVerify?: (viewDir: string) => void | Promise<void>;
}

export interface Tuning {
  /** Blocks of 640 KiB of facts kept in memory before the rest goes to a file. */
  readonly factBlocks: number;
  /** Facts sorted at once by each thread. */
  readonly rowsPerRange: number;
  /** Event hashes looked at in one scan. */
  readonly hashesPerScan: number;
}

const defaultTuning: Tuning = { factBlocks: 640, rowsPerRange: 5 << 21, hashesPerScan: 100_000_000 };
const sampledPages = 24;

/** What a run found out about its facts. */
export interface BuildStatistics {
  /** Pageview records in the snapshot, and why some of them do not count. */
  readonly pageviewRecords: number;
  readonly invalidPageviews: number;
  readonly repeats: number;
  readonly refusedUrls: number;
  readonly botPageviews: number;
  readonly pageviews: number;
  readonly edgeRecords: number;
  /** Edge records that are no facts, or name a placeholder id. */
  readonly refusedEdges: number;
  /** Edge records that repeat an earlier one. */
  readonly repeatedEdges: number;
  readonly liveEdges: number;
  readonly persons: PersonStatistics & Pick<FoundPersons, 'capped'>;
}

export interface Built {
  readonly meta: StoredMeta;
  readonly statistics: BuildStatistics;
}

/** Builds and verifies a view. Throws `master.corrupt` when a file is damaged, `view.refused` when the
 * view does not pass, `batch.failed` when a step fails. */
export async function buildView(options: BuildOptions): Promise<Built> {
  const { snapshot, tempDir, threads, maxPersonIds, signal } = options;
  mkdirSync(tempDir, { recursive: true });
  const tuning = { ...defaultTuning, ...options.tuning };
  const memoryLimit = half(options.memoryLimit); // for each of two databases
  const files = filesOf(snapshot, 'pageviews');
  const writer = new ViewWriter(options.viewDir);
  const hashKey = randomBytes(hashKeyBytes);
  const personJob = {
    files: filesOf(snapshot, 'equivs'),
    hashKey,
    cut: snapshot.cut,
    maxIds: maxPersonIds,
    identityPath: writer.identityPath,
    tempDir: join(tempDir, 'equivs'),
    memoryLimit,
    threads,
  };
  const persons = new PersonThread(personJob, signal);
  const store = new FactStore(join(tempDir, 'facts'), tuning.factBlocks);
  let db: BatchDb | undefined;
  try {
    await checkFiles(files, options);
    db = await BatchDb.open({
      files,
      cut: snapshot.cut,
      tempDir: join(tempDir, 'pageviews'),
      memoryLimit,
      threads: threads + 1, // one always waits for ours, which takes the rows; see registerTaker
    });
    const collector = new FactCollector(store, {
      rules: options.rules,
      hash: new KeyedHash(hashKey),
      sampledPages,
      expectedRows: recordsOf(snapshot, 'pageviews'),
    });
    db.registerNumbers('swa_page', (urls, numbers) => collector.urls.read(urls, numbers));
    db.registerNumbers('swa_agent', (agents, numbers) => collector.agents.read(agents, numbers));
    const build = new Build({ ...options, tuning }, { db, writer, store, collector, persons });
    const { meta, statistics, sampledEdges, recount } = await build.run();
    options.progress.begin('verify');
    await options.beforeVerify?.(options.viewDir);
    const view = openViewAt(options.viewDir);
    try {
      await verifyView(view, {
        previous: options.previous,
        pageviews: statistics.pageviews,
        rules: options.rules,
        sampledPages: collector.sampledPages.map(({ url }) => url),
        sampledEdges,
        recount,
      });
    } finally {
      view.close();
    }
    return { meta, statistics };
  } finally {
    await persons.stop();
    store.close();
    writer.abandon();
    await db?.close();
  }
}

/** What a build works with. */
interface Tools {
  readonly db: BatchDb;
  readonly writer: ViewWriter;
  readonly store: FactStore;
  readonly collector: FactCollector;
  readonly persons: PersonThread;
}

class Build {
  readonly #options: BuildOptions & { readonly tuning: Tuning };
  readonly #db: BatchDb;
  readonly #writer: ViewWriter;
  readonly #store: FactStore;
  readonly #collector: FactCollector;
  readonly #persons: PersonThread;

  constructor(options: BuildOptions & { readonly tuning: Tuning }, tools: Tools) {
    this.#options = options;
    this.#db = tools.db;
    this.#writer = tools.writer;
    this.#store = tools.store;
    this.#collector = tools.collector;
    this.#persons = tools.persons;
  }

  async run(): Promise<Built & Pick<FoundPersons, 'sampledEdges'> & { readonly recount: Recount }> {
    const { progress, snapshot } = this.#options;
    const rows = recordsOf(snapshot, 'pageviews');
    progress.begin('repeats', rows);
    const repeats = await this.#repeats(rows);
    progress.begin('persons');
    const persons = await this.#persons.found;
    this.#collector.addPersons(persons);
    progress.begin('facts', rows);
    const statistics = await this.#facts(rows, repeats, persons);
    // Typed arrays that are done with take memory until a collection, and threads that need it cannot ask for one.
    globalThis.gc?.();
    const { meta, recount } = await this.#writeView(persons, statistics.pageviews);
    return { meta, statistics, sampledEdges: persons.sampledEdges, recount };
  }

  async #writeView(
    persons: FoundPersons,
    pageviews: number,
  ): Promise<Pick<Built, 'meta'> & { readonly recount: Recount }> {
    const { progress, tuning, threads, signal, snapshot, rules, number, createdAt, lgK, maxPersonIds } =
      this.#options;
    const { rowsPerRange } = tuning;
    progress.begin('buckets', jobKinds.length * this.#store.rows);
    const { tables, jobs, names } = makeSortJobs(this.#collector, this.#store.finish(), {
      lgK,
      rowsPerRange,
    });
    const buckets = new Buckets((kind) => this.#writer.cellsPath(kind), {
      pages: names.pageCount,
      domains: names.domains.length,
    });
    try {
      const listener: SortedListener = {
        onRows: (rows) => this.#step(rows),
        onBlocks: (kind, blocks) => buckets.addBlocks(kind, blocks),
        onResult: (kind, result) => buckets.addResult(kind, result),
      };
      await runSortJobs(tables, jobs, listener, { threads, signal });
      progress.begin('index', names.pageCount);
      const recount = await Recount.begin(this.#db, this.#collector);
      const cells = buckets.close();
      cells.catch(() => undefined); // the index may fail first, and nobody asks
      writeIndex(this.#writer, names, buckets, (count) => this.#step(count));
      const counts = {
        pageviews,
        pages: buckets.pages.subjects,
        domains: buckets.domains.subjects,
        persons: this.#collector.persons,
        mappedIds: persons.hashes.length / hashWords - persons.ends.length,
      };
      const meta = await this.#writer.finish(
        {
          number,
          createdAt,
          cut: snapshot.cut,
          lgK,
          rules: rules.versions,
          maxPersonIds,
          codeVersion,
          counts,
        },
        { identity: await this.#persons.written, ...(await cells) },
      );
      return { meta, recount };
    } finally {
      buckets.abandon();
    }
  }

  /** Makes the view `counted`: pageviews without repeats. Returns how many repeats there are. */
  async #repeats(rows: number): Promise<number> {
    const scans = Math.max(1, Math.ceil(rows / this.#options.tuning.hashesPerScan));
    const suspects = new Suspects();
    let finder = new RepeatFinder(0);
    let scan = 0;
    this.#db.registerTaker('swa_seen', [UBIGINT], (chunk) => {
      const hashes = words(chunk, 0);
      const count = chunk.rowCount;
      for (let row = 0, low = 0; row < count; row++, low += 2) {
        const high = hashes[low + 1] ?? 0;
        if (scans === 1 || high % scans === scan) finder.add(hashes[low] ?? 0, high);
      }
      this.#step(count / scans);
    });
    for (; scan < scans; scan++) {
      finder = new RepeatFinder(Math.ceil(rows / scans));
      await this.#db.run('event-hashes');
      finder.finish(suspects);
    }
    if (suspects.isEmpty) {
      await this.#runAll('no-repeats', 'counted-all');
      return 0;
    }
    this.#db.registerTaker('swa_suspect', [UBIGINT], (chunk, flags) => suspects.flag(words(chunk, 0), flags));
    await this.#runAll('repeats', 'counted');
    return this.#db.countOf('repeat');
  }

  async #facts(rows: number, repeats: number, persons: FoundPersons): Promise<BuildStatistics> {
    let counted = 0;
    this.#db.registerTaker('swa_take', takenTypes, (chunk) => {
      this.#collector.take(chunk);
      counted += chunk.rowCount;
      this.#step(chunk.rowCount);
    });
    await this.#db.run('facts');
    this.#collector.finish();
    const { refusedUrls, botPageviews, invalid } = this.#collector.counts;
    return {
      pageviewRecords: rows,
      invalidPageviews: rows - repeats - counted + invalid,
      repeats,
      refusedUrls,
      botPageviews,
      pageviews: this.#store.rows,
      edgeRecords: recordsOf(this.#options.snapshot, 'equivs'),
      refusedEdges: recordsOf(this.#options.snapshot, 'equivs') - persons.edges,
      repeatedEdges: persons.repeatedEdges,
      liveEdges: persons.liveEdges,
      persons: { ...persons.statistics, capped: persons.capped },
    };
  }

  async #runAll(...names: readonly string[]): Promise<void> {
    for (const name of names) {
      this.#options.signal?.throwIfAborted();
      await this.#db.run(name);
    }
  }

  #step(rows: number): void {
    this.#options.signal?.throwIfAborted();
    this.#options.progress.add(rows);
  }
}

/** Before DuckDB sees them: it reads a file's footer as soon as it hears of it. */
function checkFiles(files: readonly SnapshotFile[], { progress, signal }: BuildOptions): Promise<void> {
  progress.begin(
    'snapshot',
    files.reduce((sum, file) => sum + file.sizeBytes, 0),
  );
  return verifySnapshotFiles(
    { files },
    { onBytes: (bytes) => progress.add(bytes), ...(signal === undefined ? {} : { signal }) },
  );
}

function filesOf(snapshot: Snapshot, topic: Topic): readonly SnapshotFile[] {
  return snapshot.files.filter((file) => file.topic === topic);
}

/** Records of a topic in the snapshot, by its manifests. */
function recordsOf(snapshot: Snapshot, topic: Topic): number {
  return filesOf(snapshot, topic).reduce((sum, file) => sum + file.rows, 0);
}

/** Of a size as DuckDB writes it. */
function half(size: string): string {
  const [, amount, unit = ''] = /^([\d.]+)(\D+)$/.exec(size) ?? [];
  return `${Number(amount) / 2}${unit}`;
}
