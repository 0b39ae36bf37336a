/**
 * The recomputation: makes a view from a snapshot, in its own directory. A pure function of snapshot, code and rules: everything that reaches
 * the writer is in a total order, so threads, file layout and machine do not matter.
 *
 *   star      the master dataset in numbers; adds the files that it does not have yet (master-data/star/)
 *   persons   live edges -> union-find -> PersonID of every joined id, person of every visitor number (persons/); then a
 *             thread writes them in the background
 *   facts     threads deal every pageview that counts, as a few numbers, to shards (facts/)
 *   buckets   threads sort the facts shard by shard: by (page, base bucket), (domain, base bucket) and (domain, value, base bucket) for the
 *             cells, by (domain, person, time) for visits (sorts/)
 *   index     pages, domains, visits and listings in key order; meanwhile DuckDB recounts a sample from the master dataset
 *   verify    reads the view back and checks it
 *
 * The loops over facts, ids and words are in arrays/; this module and the folders above prepare their inputs and use their results.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { SwaError } from '../lib/errors/errors.js';
import { Exclusions } from '../facts/exclusions.js';
import type { Rules } from '../facts/rules.js';
import { removeScratch } from '../lib/files/removal.js';
import { offsetAt } from '../log/cut.js';
import { widthOf, type BucketMinutes } from '../lib/time/buckets.js';
import type { ViewMeta } from '../facts/views/view.js';
import { integers } from '../master-data/columns.js';
import { sqlText } from '../master-data/duckdb.js';
import { verifySnapshotFiles, type Snapshot, type SnapshotFile } from '../master-data/snapshot.js';
import { StarDamaged } from '../master-data/star/append-file.js';
import { removeStar } from '../master-data/star/head.js';
import { makeStar } from '../master-data/star/make-star.js';
import { readGroup } from '../master-data/star/read-facts.js';
import { Star } from '../master-data/star/star.js';
import type { StoredMeta } from '../serving/meta.js';
import { openViewAt } from '../serving/view-reader.js';
import { ViewWriter } from '../serving/view-writer.js';
import { attempt, BatchDb } from './database.js';
import { columnsFor, dimensionsOf } from './dimensions.js';
import { verdicts, type Repeats } from './arrays/verdict.js';
import { erasedVisitors, excludedNumbers, liveExclusions, type LiveExclusions } from './facts/exclusions.js';
import { findRepeats } from './facts/repeats.js';
import { dealFacts, rowGroupsOf, type DealtFacts } from './facts/deal-facts.js';
import { startFactThreads, type FactThreads } from './fact-threads.js';
import { samplePages } from './facts/page-sample.js';
import { writeIndex } from './write-index.js';
import { IdentityThread } from './persons/identity-thread.js';
import { peopleOf, type People } from './arrays/people.js';
import type { PersonStatistics } from './arrays/persons.js';
import { resolvePersons, type ResolvedPersons } from './persons/resolve-persons.js';
import type { ProgressMeter } from './progress.js';
import { Recount } from './recount.js';
import { Buckets } from './sorts/buckets.js';
import { jobKindsOf } from './arrays/sort-job.js';
import { sortFacts } from './sorts/sort-facts.js';
import { planJobs, rankNames, type Names, type ShardSizes } from './arrays/plan.js';
import { verifyView } from './verify.js';
import { viewMetaOf } from './view-meta.js';

export interface BuildOptions {
  readonly snapshot: Snapshot;
  readonly rules: Rules;
  readonly lgK: number;
  readonly bucketMinutes: BucketMinutes;
  readonly maxPersonIds: number;
  /** See ViewMeta. */
  readonly keptFrom?: number | undefined;
  readonly number: number;
  readonly createdAt: number;
  /** The current view: the new view's cut must not be before its cut. */
  readonly previous: ViewMeta | undefined;
  /** Where the view is built; must not exist. */
  readonly viewDir: string;
  readonly tempDir: string;
  /** Directory of the star, which is kept between runs. Default: below `tempDir`, for this run only. */
  readonly starDir?: string;
  readonly memoryLimit: string;
  readonly threads: number;
  readonly progress: ProgressMeter;
  readonly signal?: AbortSignal;
  /** Sizes for tests to reduce; the result does not depend on them. */
  readonly tuning?: Partial<Tuning>;
  /** Called with the finished files before they are verified: for tests of the verification. */
  readonly beforeVerify?: (viewDir: string) => void | Promise<void>;
}

export interface Tuning extends ShardSizes {
  /** Maximum number of facts in memory, of 20 to 36 bytes each; the rest goes to files. */
  readonly factsInMemory: number;
  /** Maximum number of event hashes per scan. */
  readonly hashesPerScan: number;
}

const defaultTuning: Tuning = {
  factsInMemory: 24 << 20,
  shardRows: 1 << 18,
  jobRows: 1 << 21,
  hashesPerScan: 100_000_000,
};
const sampleSize = 24;

/** Statistics of a run about its facts. */
export interface BuildStatistics {
  /** Number of pageview records in the snapshot; below, why some of them do not count. */
  readonly pageviewRecords: number;
  readonly invalidPageviews: number;
  readonly repeats: number;
  readonly refusedUrls: number;
  readonly botPageviews: number;
  /** Pageviews that exclusions leave out. */
  readonly excludedPageviews: number;
  readonly pageviews: number;
  readonly edgeRecords: number;
  /** Edge records that are not valid facts, contain a placeholder or erased id, or are too old. */
  readonly refusedEdges: number;
  /** Edge records that repeat an earlier one. */
  readonly repeatedEdges: number;
  readonly liveEdges: number;
  /** Facts that exclude or take an exclusion back, and exclusions in force. */
  readonly exclusionRecords: number;
  readonly liveExclusions: number;
  /** Bytes read of the master dataset's files to update the star, and bytes read of the star. */
  readonly masterBytesRead: number;
  readonly starBytesRead: number;
  readonly persons: PersonStatistics & Pick<ResolvedPersons, 'capped'>;
}

export interface BuiltView {
  readonly meta: StoredMeta;
  readonly statistics: BuildStatistics;
}

/**
 * Builds and verifies a view. Throws `master.corrupt` if a file is damaged, `view.refused` if the view fails verification, `batch.failed` if a
 * step fails.
 */
export async function buildView(options: BuildOptions): Promise<BuiltView> {
  const starDir = options.starDir ?? join(options.tempDir, 'star');
  try {
    return await new Build(options, starDir).run();
  } catch (error) {
    if (!(error instanceof StarDamaged)) throw error;
    // Not reported: the star is rebuilt from the master dataset.
    removeStar(starDir);
    removeScratch(options.viewDir);
    return new Build(options, starDir).run();
  }
}

class Build {
  readonly #options: BuildOptions;
  readonly #starDir: string;
  readonly #tuning: Tuning;

  constructor(options: BuildOptions, starDir: string) {
    this.#options = options;
    this.#starDir = starDir;
    this.#tuning = { ...defaultTuning, ...options.tuning };
  }

  async run(): Promise<BuiltView> {
    const { progress, snapshot, tempDir, memoryLimit, threads, viewDir, signal, rules } = this.#options;
    const { star, masterBytesRead } = await this.#makeStar();
    const writer = new ViewWriter(viewDir, rules.dimensions.names);
    const limits = { tempDir: join(tempDir, 'duckdb'), memoryLimit, threads };
    const readsPageviews = this.#options.keptFrom !== undefined;
    const db = await blamingStar(star, async () =>
      BatchDb.open({ ...snapshot, facts: star.facts, readsPageviews, ...limits }),
    );
    let identity: IdentityThread | undefined;
    let factThreads: FactThreads | undefined;
    try {
      progress.begin('persons');
      const live = await liveExclusions(db, star, rules);
      const exclusions = new Exclusions(live.rules, rules, this.#options.keptFrom);
      const erased = erasedVisitors(star, exclusions);
      const persons = await blamingStar(star, async () =>
        resolvePersons(db, star, this.#options.maxPersonIds, erased, exclusions.keptFrom),
      );
      identity = new IdentityThread(writer.identityPath, persons);
      const people = peopleOf(star.coupons, persons);
      const excluded = excludedNumbers(star, exclusions);
      const repeats = findRepeats(star, people, excluded, await rowsBelowCut(db, star, snapshot));
      const groups = rowGroupsOf(star, repeats);
      const rows = groups.reduce((sum, group) => sum + group.rows, 0);
      progress.begin('facts', rows);
      const { pageOfUrl, bots } = star;
      const { ofVisitor } = people;
      const seen = new Uint8Array(new SharedArrayBuffer(people.count));
      const texts = columnsFor(rules.dimensions);
      const { bucketMinutes } = this.#options;
      const tables = {
        bucketMinutes,
        pageOfUrl,
        bots,
        ofVisitor,
        excluded,
        pages: star.pages.count,
        seen,
        texts,
      };
      factThreads = startFactThreads(tables, { rows, threads, signal });
      const names = rankNames(star);
      const onRows = (count: number): void => this.#step(count);
      const dealt = await dealFacts(factThreads, groups, names, {
        ...this.#tuning,
        sizes: this.#tuning,
        bucketMinutes,
        tempDir,
        onRows,
      });
      const found: Found = {
        star,
        masterBytesRead,
        db,
        writer,
        identity,
        persons,
        people,
        live,
        exclusions,
        repeats,
        names,
        dealt,
        seen,
      };
      const { meta, recount } = await this.#writeView(factThreads, found);
      const statistics = this.#statistics(found);
      progress.begin('verify');
      await this.#options.beforeVerify?.(viewDir);
      await this.#verify(statistics, persons, recount);
      return { meta, statistics };
    } finally {
      await factThreads?.close();
      await identity?.stop();
      writer.abandon();
      await db.close();
    }
  }

  async #makeStar(): Promise<Pick<Found, 'star' | 'masterBytesRead'>> {
    const { snapshot, progress, rules, memoryLimit, threads, signal, tempDir } = this.#options;
    progress.begin('star', rowsIn(snapshot.files));
    checkSizes(snapshot.files);
    const dir = this.#starDir;
    const onRows = (rows: number): void => this.#step(rows);
    const limits = { tempDir: join(tempDir, 'star-duckdb'), memoryLimit, threads };
    const { hashesPerScan } = this.#tuning;
    const { head, masterBytesRead } = await attempt('star', async () =>
      makeStar({ dir, snapshot, rules, ...limits, hashesPerScan, onRows, signal }),
    );
    return { star: new Star(dir, head, snapshot), masterBytesRead };
  }

  async #writeView(
    threads: FactThreads,
    { star, db, writer, identity, persons, people, live, exclusions, repeats, names, dealt, seen }: Found,
  ): Promise<Pick<BuiltView, 'meta'> & { readonly recount: Recount }> {
    const { progress, snapshot, rules, lgK, bucketMinutes } = this.#options;
    const width = widthOf(bucketMinutes);
    const { plan, blocks, rowsWith } = dealt;
    const pageviews = rowsWith[verdicts.counts] ?? 0;
    const dimensionNames = rules.dimensions.names;
    progress.begin('buckets', jobKindsOf(dimensionNames.length).length * pageviews);
    const subjects = { pages: names.pageCount, domains: names.domains.length };
    const buckets = new Buckets((kind) => writer.cellsPath(kind), subjects, dimensionNames, lgK, width);
    try {
      const { domainOfRank } = names;
      const dimensions = dimensionsOf(star, names, rules.dimensions);
      const { jobRows } = plan.sizes;
      const times = { buckets: plan.buckets, bucketMinutes };
      const dimensionTables = dimensions.map(({ table }) => table);
      const tables = { domainOfRank, dimensions: dimensionTables, ...times, lgK, blocks, jobRows };
      await threads.order({ type: 'tables', tables });
      await sortFacts(threads, planJobs(names, plan, people.count, dimensionNames.length), {
        onRows: (rows) => this.#step(rows),
        onBlocks: (job, bytes) => buckets.addBlocks(job, bytes),
        onResult: (job, result) => buckets.addResult(job, result),
      });
      await threads.close();
      progress.begin('index', names.pageCount);
      const byKey = names.pagesByKey
        .filter((rank) => buckets.pages.places.of(rank) !== undefined)
        .map((rank) => names.pageOfRank[rank] ?? 0);
      const pages = samplePages(star, byKey, sampleSize);
      const sample = { pages, buckets: plan.buckets, width, repeats: repeats.bits, exclusions };
      const recount = await Recount.begin(db, snapshot, sample);
      const cells = buckets.close();
      cells.catch(() => undefined); // if the index fails first, nothing awaits this promise
      writer.exclusions(live.rules);
      const texts = dimensions.map(({ text }, i) => ({ name: dimensionNames[i] ?? '', text }));
      writeIndex(writer, names, buckets, texts, (count) => this.#step(count));
      const counts = {
        pageviews,
        pages: buckets.pages.places.subjects,
        domains: buckets.domains.places.subjects,
        values: Object.fromEntries(
          dimensionNames.map((name, i) => [name, buckets.dimensions[i]?.places.subjects ?? 0]),
        ),
        persons: seen.reduce((sum, one) => sum + one, 0),
        mappedIds: persons.members.length - persons.ends.length,
      };
      const meta = await writer.finish(
        { ...viewMetaOf(this.#options, persons.retractions), counts },
        { identity: await identity.written, cells: await cells },
      );
      return { meta, recount };
    } finally {
      buckets.abandon();
    }
  }

  #statistics({ star, masterBytesRead, persons, live, repeats, dealt }: Found): BuildStatistics {
    const { files } = this.#options.snapshot;
    const edgeRecords = rowsIn(files.filter(({ topic }) => topic === 'equivs')) - live.facts;
    const pageviewRecords = rowsIn(files.filter(({ topic }) => topic === 'pageviews'));
    const rows = (verdict: keyof typeof verdicts): number => dealt.rowsWith[verdicts[verdict]] ?? 0;
    const [pageviews, refusedUrls, botPageviews] = [rows('counts'), rows('refusedUrl'), rows('bot')];
    const excludedPageviews = rows('excluded');
    return {
      pageviewRecords,
      invalidPageviews:
        pageviewRecords - pageviews - refusedUrls - botPageviews - excludedPageviews - repeats.count,
      repeats: repeats.count,
      refusedUrls,
      botPageviews,
      excludedPageviews,
      pageviews,
      edgeRecords,
      refusedEdges: edgeRecords - persons.edges,
      repeatedEdges: persons.repeatedEdges,
      liveEdges: persons.liveEdges,
      exclusionRecords: live.facts,
      liveExclusions: live.rules.length,
      masterBytesRead,
      starBytesRead: star.bytesRead,
      persons: { ...persons.statistics, capped: persons.capped },
    };
  }

  async #verify(
    { pageviews }: BuildStatistics,
    { sampledEdges }: ResolvedPersons,
    recount: Recount,
  ): Promise<void> {
    const { viewDir, previous, rules } = this.#options;
    const view = openViewAt(viewDir);
    try {
      const sampledPages = recount.pages.map(({ url }) => url);
      await verifyView(view, { previous, pageviews, rules, sampledPages, sampledEdges, recount });
    } catch (error) {
      await this.#blameDamagedFiles();
      throw error;
    } finally {
      view.close();
    }
  }

  /** The recount reads files of the master dataset whose hashes were checked only when the star was made from them. */
  async #blameDamagedFiles(): Promise<void> {
    const { snapshot, signal } = this.#options;
    signal?.throwIfAborted();
    await verifySnapshotFiles(snapshot);
  }

  #step(rows: number): void {
    this.#options.signal?.throwIfAborted();
    this.#options.progress.add(rows);
  }
}

/** Results of the steps before the view is written. */
interface Found {
  readonly star: Star;
  readonly masterBytesRead: number;
  readonly db: BatchDb;
  readonly writer: ViewWriter;
  readonly identity: IdentityThread;
  readonly persons: ResolvedPersons;
  readonly people: People;
  readonly live: LiveExclusions;
  readonly exclusions: Exclusions;
  readonly repeats: Repeats;
  readonly names: Names;
  readonly dealt: DealtFacts;
  /** By person number: 1 for persons with a fact. */
  readonly seen: Uint8Array;
}

/** Number of rows before the cut, for each file of pageviews. */
async function rowsBelowCut(db: BatchDb, star: Star, { cut }: Snapshot): Promise<number[]> {
  const counts: number[] = [];
  for (const { groups, isCut, masterPath, partition } of star.factsOf('pageviews')) {
    if (!isCut) {
      counts.push(groups.reduce((sum, { rows }) => sum + rows, 0));
      continue;
    }
    const end = String(offsetAt(cut.next, `pageviews/${partition}`));
    for await (const chunk of db.stream('rows-below', { path: sqlText(masterPath), end }))
      counts.push(integers(chunk, 0)[0] ?? 0);
  }
  return counts;
}

/**
 * Runs a step in which DuckDB reads the star's pageviews. If it fails because they are damaged, throws `StarDamaged`;
 * damage that DuckDB does not notice is found when the facts are dealt.
 */
async function blamingStar<T>(star: Star, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (error) {
    for (const { path, groups } of star.factsOf('pageviews'))
      for (const group of groups) readGroup(path, 'pageviews', group, ['url', 'visitor', 'timestamp']);
    throw error;
  }
}

/** Reports missing or truncated files before anything is read. */
function checkSizes(files: readonly SnapshotFile[]): void {
  for (const { path, sizeBytes } of files) {
    const found = statSync(path, { throwIfNoEntry: false })?.size;
    if (found === sizeBytes) continue;
    const what =
      found === undefined ? 'is missing' : `has ${found} bytes, but its manifest says ${sizeBytes}`;
    throw new SwaError('master.corrupt', `${path} ${what}`, {
      hint: 'restore this file from a copy; `swa verify` names every damaged file',
    });
  }
}

function rowsIn(files: readonly SnapshotFile[]): number {
  return files.reduce((sum, { rows }) => sum + rows, 0);
}
