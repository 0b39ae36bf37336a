/**
 * The recomputation: from a snapshot to a finished view in a directory of its own. A pure function of snapshot, code and
 * rules: what reaches the writer is in a total order, so threads, file layout and machine leave no trace.
 *
 *   persons   live edges -> union-find -> PersonID of every joined id, and a coupon for every person
 *   repeats   event ids that occur twice, by their hashes; usually none
 *   facts     one scan of the pageviews: dictionaries of pages, domains, hours and persons; a fact is four numbers
 *   buckets   three sorts of the facts, in threads: by (page, hour) and (domain, hour) for the buckets, by (domain,
 *             person) for visits and bounces; meanwhile the mapping and the members of persons are written
 *   index     pages, domains, visits and listings in key order
 *   verify    the view is read back and checked
 */
import { BIGINT, UBIGINT, VARCHAR } from '@duckdb/node-api';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { SwaError } from '../lib/errors.js';
import type { Rules } from '../lib/facts/rules.js';
import type { Topic } from '../lib/log/log.js';
import type { ViewMeta } from '../lib/views/view.js';
import type { Snapshot } from '../master-data/snapshot.js';
import { codeVersion } from '../serving/code-version.js';
import type { StoredMeta } from '../serving/meta.js';
import { openViewAt } from '../serving/view-reader.js';
import { ViewWriter } from '../serving/view-writer.js';
import { FactCollector } from './collector.js';
import { listWords, packedTexts, u32Column, words } from './columns.js';
import { BatchDb } from './database.js';
import { FactStore } from './fact-store.js';
import { writeIndex } from './index-pass.js';
import { Persons, type PersonStatistics } from './persons.js';
import type { ProgressMeter } from './progress.js';
import { RepeatFinder } from './repeat-finder.js';
import { makeSortJobs } from './sort-keys.js';
import { runSortJobs } from './sort-jobs.js';
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
  /** Blocks of 16 MiB of facts kept in memory before the rest goes to a file. */
  readonly factBlocks: number;
  /** Facts sorted at once by each of the three sorts. */
  readonly rowsPerRange: number;
  /** Event hashes looked at in one scan. */
  readonly hashesPerScan: number;
}

const defaultTuning: Tuning = { factBlocks: 24, rowsPerRange: 1 << 24, hashesPerScan: 100_000_000 };
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
  readonly liveEdges: number;
  readonly persons: PersonStatistics & { readonly cappedIds: readonly string[] };
}

export interface Built {
  readonly meta: StoredMeta;
  readonly statistics: BuildStatistics;
}

/** Builds and verifies a view. Throws `view.refused` when it does not pass, `batch.failed` when a step fails. */
export async function buildView(options: BuildOptions): Promise<Built> {
  mkdirSync(options.tempDir, { recursive: true });
  const tuning = { ...defaultTuning, ...options.tuning };
  const db = await BatchDb.open({ files: options.snapshot.files, ...options });
  const writer = new ViewWriter(options.viewDir);
  const store = new FactStore(join(options.tempDir, 'facts'), tuning.factBlocks);
  try {
    const collector = new FactCollector(
      store,
      options.rules,
      sampledPages,
      recordsOf(options.snapshot, 'pageviews'),
    );
    const build = new Build({ ...options, tuning }, db, writer, store, collector);
    const built = await build.run();
    options.progress.begin('verify');
    await options.beforeVerify?.(options.viewDir);
    const view = openViewAt(options.viewDir);
    try {
      await verifyView(view, db, {
        previous: options.previous,
        pageviews: built.statistics.pageviews,
        rules: options.rules,
        sample: collector.sampledPages,
      });
    } finally {
      view.close();
    }
    return built;
  } finally {
    store.close();
    await writer.abandon();
    db.close();
  }
}

class Build {
  readonly #options: BuildOptions & { readonly tuning: Tuning };
  readonly #db: BatchDb;
  readonly #writer: ViewWriter;
  readonly #store: FactStore;
  readonly #collector: FactCollector;

  constructor(
    options: BuildOptions & { readonly tuning: Tuning },
    db: BatchDb,
    writer: ViewWriter,
    store: FactStore,
    collector: FactCollector,
  ) {
    this.#options = options;
    this.#db = db;
    this.#writer = writer;
    this.#store = store;
    this.#collector = collector;
  }

  async run(): Promise<Built> {
    const { progress } = this.#options;
    const rows = recordsOf(this.#options.snapshot, 'pageviews');
    progress.begin('persons', recordsOf(this.#options.snapshot, 'equivs'));
    const persons = await this.#persons();
    progress.begin('repeats', rows);
    const repeats = await this.#repeats(rows);
    progress.begin('facts', rows);
    const statistics = await this.#facts(rows, repeats, persons);
    progress.begin('buckets', 3 * this.#store.rows);
    const { mappedIds, results, names } = await this.#buckets();
    progress.begin('index', names.pages.length);
    const cells = writeIndex(this.#writer, names, results, (count) => this.#step(count));
    const meta = await this.#writer.finish(
      {
        number: this.#options.number,
        createdAt: this.#options.createdAt,
        cut: this.#options.snapshot.cut,
        lgK: this.#options.lgK,
        rules: this.#options.rules.versions,
        codeVersion,
        counts: {
          pageviews: statistics.pageviews,
          pages: results.pages.ranks.length,
          domains: results.domains.ranks.length,
          persons: this.#collector.persons,
          mappedIds,
        },
      },
      cells,
    );
    return { meta, statistics };
  }

  /** Joins ids to persons, writes their members, and makes them known to the collector. */
  async #persons(): Promise<BuildStatistics['persons']> {
    await this.#runAll('edges', 'live-edges', 'edge-ids');
    const persons = new Persons(await this.#countOf('edge_id'));
    for await (const chunk of this.#db.stream('edge-numbers')) {
      const lows = u32Column(chunk, 0);
      const highs = u32Column(chunk, 1);
      const count = chunk.rowCount;
      for (let row = 0; row < count; row++) persons.join(lows[row] ?? 0, highs[row] ?? 0);
      this.#step(count);
    }
    const { roots, statistics } = persons.finish(this.#options.maxPersonIds);
    this.#db.registerRoots(roots);
    await this.#runAll('mappings');
    await this.#members();
    const cappedIds: string[] = [];
    for (const { least } of statistics.capped.slice(0, 100)) {
      const rows = await this.#db.rows(`select id from edge_id where number = ${least}`);
      cappedIds.push(String(rows[0]?.[0]));
    }
    return { ...statistics, cappedIds };
  }

  async #members(): Promise<void> {
    let current: string | undefined;
    let ids: string[] = [];
    const end = (): void => {
      if (current !== undefined) this.#writer.members(current, ids);
      ids = [];
    };
    for await (const chunk of this.#db.stream('members')) {
      for (let row = 0; row < chunk.rowCount; row++) {
        const people = packedTexts(chunk, 0, row);
        const hashes = listWords(chunk, 2, row);
        packedTexts(chunk, 1, row).forEach((id, i) => {
          const person = people[i] ?? '';
          if (person !== current) {
            end();
            current = person;
            this.#collector.addPerson(person);
          }
          ids.push(id);
          this.#collector.addMember(hashes[2 * i] ?? 0, hashes[2 * i + 1] ?? 0);
        });
      }
      this.#options.signal?.throwIfAborted();
    }
    end();
  }

  /** Makes the view `counted`: pageviews without repeats. Returns how many repeats there are. */
  async #repeats(rows: number): Promise<number> {
    const scans = Math.max(1, Math.ceil(rows / this.#options.tuning.hashesPerScan));
    const suspects = new Set<number>();
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
      for (const suspect of finder.finish()) suspects.add(suspect);
    }
    if (suspects.size === 0) {
      await this.#runAll('no-repeats', 'counted-all');
      return 0;
    }
    this.#db.registerSuspects(suspects);
    await this.#runAll('repeats', 'counted');
    return this.#countOf('repeat');
  }

  async #facts(rows: number, repeats: number, persons: BuildStatistics['persons']): Promise<BuildStatistics> {
    let counted = 0;
    let left = 0;
    this.#db.registerTaker('swa_take_known', [UBIGINT, UBIGINT, UBIGINT, BIGINT], (chunk, taken) => {
      this.#collector.takeKnown(chunk, taken);
      for (const flag of taken) left += 1 - flag;
      counted += chunk.rowCount;
      this.#step(chunk.rowCount);
    });
    const texts = [UBIGINT, VARCHAR, UBIGINT, VARCHAR, UBIGINT, VARCHAR, BIGINT];
    const pieces = [VARCHAR, VARCHAR, VARCHAR, VARCHAR];
    this.#db.registerTaker('swa_take_new', [...texts, ...pieces], (chunk) => {
      this.#collector.takeNew(chunk);
      left -= chunk.rowCount;
    });
    await this.#db.run('facts');
    if (left !== 0)
      throw new SwaError('internal.invariant', `${left} of ${counted} facts did not come from DuckDB`);
    const { refusedUrls, botPageviews, beyondTime } = this.#collector.counts;
    return {
      pageviewRecords: rows,
      invalidPageviews: rows - repeats - counted + beyondTime,
      repeats,
      refusedUrls,
      botPageviews,
      pageviews: this.#store.rows,
      edgeRecords: recordsOf(this.#options.snapshot, 'equivs'),
      refusedEdges: recordsOf(this.#options.snapshot, 'equivs') - (await this.#countOf('edge')),
      liveEdges: await this.#countOf('live_edge'),
      persons,
    };
  }

  /** The three sorts in threads; the mapping is written meanwhile. */
  async #buckets() {
    const { jobs, names } = makeSortJobs(this.#collector, this.#store.handle(), {
      lgK: this.#options.lgK,
      rowsPerRange: this.#options.tuning.rowsPerRange,
      cellsPath: (kind) => this.#writer.cellsPath(kind),
    });
    const sorting = runSortJobs(jobs, (rows) => this.#step(rows), this.#options.signal);
    const [[pages, domains, visits], mappedIds] = await Promise.all([sorting, this.#mapping()]);
    if (pages === undefined || domains === undefined || visits === undefined) {
      throw new SwaError('internal.invariant', 'a sort job gave no result');
    }
    return { mappedIds, names, results: { pages, domains, visits } };
  }

  async #mapping(): Promise<number> {
    let mappedIds = 0;
    for await (const chunk of this.#db.stream('mappings-by-id')) {
      for (let row = 0; row < chunk.rowCount; row++) {
        const people = packedTexts(chunk, 1, row);
        const ids = packedTexts(chunk, 0, row);
        ids.forEach((id, i) => this.#writer.mapping(id, people[i] ?? ''));
        mappedIds += ids.length;
      }
    }
    return mappedIds;
  }

  async #runAll(...names: readonly string[]): Promise<void> {
    for (const name of names) {
      this.#options.signal?.throwIfAborted();
      await this.#db.run(name);
    }
  }

  async #countOf(from: string): Promise<number> {
    const rows = await this.#db.rows(`select count(*) from ${from}`);
    return Number(rows[0]?.[0]);
  }

  #step(rows: number): void {
    this.#options.signal?.throwIfAborted();
    this.#options.progress.add(rows);
  }
}

/** Records of a topic in the snapshot, by its manifests. */
function recordsOf(snapshot: Snapshot, topic: Topic): number {
  return snapshot.files.filter((file) => file.topic === topic).reduce((sum, file) => sum + file.rows, 0);
}
