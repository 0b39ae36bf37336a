/**
 * The recomputation: from a snapshot to a finished view in a directory of its own. A pure function of snapshot, code and
 * rules: rows reach the writer in a total order, so threads, file layout and machine leave no trace.
 *
 *   urls      every spelling of a URL once, its page by the shared rules, the page's domain
 *   persons   live edges -> union-find -> PersonID of every joined id; a coupon for every person
 *   facts     pageviews without repeats, bots and refused URLs: (page, domain, hour, time, person, coupon)
 *   pages     sorted by (page, hour, coupon): one pass writes hour, day and month buckets of every page
 *   domains   the same by domain
 *   visits    by (domain, person, time)
 *   mapping   ids that differ from their PersonID, and the members of every person of two or more
 */
import type { Rules } from '../lib/facts/rules.js';
import type { ViewMeta } from '../lib/views/view.js';
import type { Snapshot } from '../master-data/snapshot.js';
import { ByteWriter } from '../serving/bytes.js';
import { codeVersion } from '../serving/code-version.js';
import type { StoredMeta } from '../serving/meta.js';
import { openViewAt } from '../serving/view-reader.js';
import { ViewWriter, encodeVisits } from '../serving/view-writer.js';
import { BucketPass, type BucketTotals } from './bucket-pass.js';
import { textColumn, u32Column } from './columns.js';
import { BatchDb } from './database.js';
import { Persons, type PersonStatistics } from './persons.js';
import type { ProgressMeter } from './progress.js';
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
}

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

export async function buildView(options: BuildOptions): Promise<Built> {
  const db = await BatchDb.open({ files: options.snapshot.files, ...options });
  const writer = new ViewWriter(options.viewDir);
  try {
    const built = await new Build(options, db, writer).run();
    options.progress.begin('verify');
    const view = openViewAt(options.viewDir);
    try {
      await verifyView(view, db, { previous: options.previous, pageviews: built.statistics.pageviews });
    } finally {
      view.close();
    }
    return built;
  } finally {
    await writer.abandon();
    db.close();
  }
}

class Build {
  readonly #options: BuildOptions;
  readonly #db: BatchDb;
  readonly #writer: ViewWriter;

  constructor(options: BuildOptions, db: BatchDb, writer: ViewWriter) {
    this.#options = options;
    this.#db = db;
    this.#writer = writer;
  }

  async run(): Promise<Built> {
    const { progress } = this.#options;
    progress.begin('urls');
    await this.#runAll('raw-urls', 'pages', 'domains', 'bots');
    progress.begin('persons');
    const persons = await this.#persons();
    progress.begin('facts');
    await this.#runAll('repeat-suspects', 'repeats', 'facts');
    const statistics = await this.#statistics(persons);
    progress.begin('pages', statistics.pageviews);
    const pages = await this.#buckets('page');
    progress.begin('domains', statistics.pageviews);
    const domains = await this.#buckets('domain');
    progress.begin('visits');
    await this.#visits();
    await this.#listings();
    progress.begin('mapping');
    const mappedIds = await this.#mapping();
    const personCount = await this.#count('(select distinct person_id from fact)');
    const meta = await this.#writer.finish({
      number: this.#options.number,
      createdAt: this.#options.createdAt,
      cut: this.#options.snapshot.cut,
      lgK: this.#options.lgK,
      rules: this.#options.rules.versions,
      codeVersion,
      counts: {
        pageviews: pages.pageviews,
        pages: pages.subjects,
        domains: domains.subjects,
        persons: personCount,
        mappedIds,
      },
    });
    return { meta, statistics };
  }

  async #persons(): Promise<BuildStatistics['persons']> {
    await this.#runAll('live-edges', 'edge-ids');
    const persons = new Persons(await this.#count('edge_id'));
    for await (const chunk of this.#db.stream('edge-numbers')) {
      const lows = u32Column(chunk, 0);
      const highs = u32Column(chunk, 1);
      for (let row = 0; row < chunk.rowCount; row++) persons.join(lows[row] ?? 0, highs[row] ?? 0);
      this.#step(chunk.rowCount);
    }
    const { roots, statistics } = persons.finish(this.#options.maxPersonIds);
    this.#db.registerRoots(roots);
    await this.#runAll('mappings', 'visitors');
    const cappedIds: string[] = [];
    for (const { least } of statistics.capped) {
      const rows = await this.#db.rows(`select id from edge_id where number = ${least}`);
      cappedIds.push(String(rows[0]?.[0]));
    }
    return { ...statistics, cappedIds };
  }

  async #buckets(subject: 'page' | 'domain'): Promise<BucketTotals> {
    const names = await this.#names(`${subject}-order`);
    const pass = new BucketPass(this.#options.lgK, (number, block) => {
      if (subject === 'page') this.#writer.page(names[number] ?? '', block);
      else this.#writer.domain(names[number] ?? '', block);
    });
    for await (const chunk of this.#db.stream(`${subject}-facts`)) {
      const subjects = u32Column(chunk, 0);
      const hours = u32Column(chunk, 1);
      const coupons = u32Column(chunk, 2);
      for (let row = 0; row < chunk.rowCount; row++) {
        pass.push(subjects[row] ?? 0, hours[row] ?? 0, coupons[row] ?? 0);
      }
      this.#step(chunk.rowCount);
    }
    return pass.finish();
  }

  async #visits(): Promise<void> {
    const names = await this.#names('domain-order');
    const out = new ByteWriter();
    let current = -1;
    let hours: { hour: number; visits: number; bounces: number }[] = [];
    const flush = (): void => {
      if (current < 0) return;
      out.clear();
      encodeVisits(out, hours);
      this.#writer.visits(names[current] ?? '', out.view());
      hours = [];
    };
    for await (const chunk of this.#db.stream('visit-hours')) {
      for (const [domain, hour, visits, bounces] of chunk.getRows()) {
        if (domain !== current) flush();
        current = Number(domain);
        hours.push({ hour: Number(hour), visits: Number(visits), bounces: Number(bounces) });
      }
      this.#step(chunk.rowCount);
    }
    flush();
  }

  async #listings(): Promise<void> {
    for await (const chunk of this.#db.stream('page-listing')) {
      for (const [domain, url, pageviews] of chunk.getRows()) {
        this.#writer.listPage(String(domain), String(url), Number(pageviews));
      }
    }
  }

  async #mapping(): Promise<number> {
    let mappedIds = 0;
    for await (const chunk of this.#db.stream('mappings-by-id')) {
      const people = textColumn(chunk, 1);
      textColumn(chunk, 0).forEach((id, row) => this.#writer.mapping(id, people[row] ?? ''));
      mappedIds += chunk.rowCount;
      this.#step(chunk.rowCount);
    }
    let current: string | undefined;
    let ids: string[] = [];
    for await (const chunk of this.#db.stream('members')) {
      const members = textColumn(chunk, 1);
      textColumn(chunk, 0).forEach((person, row) => {
        if (person !== current && current !== undefined) {
          this.#writer.members(current, ids);
          ids = [];
        }
        current = person;
        ids.push(members[row] ?? '');
      });
    }
    if (current !== undefined) this.#writer.members(current, ids);
    return mappedIds;
  }

  async #statistics(persons: BuildStatistics['persons']): Promise<BuildStatistics> {
    const pageviewRecords = await this.#count('pageviews');
    const invalidPageviews = await this.#count('pageviews where invalid_reason is not null');
    const repeats = await this.#count('repeat');
    const notRepeat = 'anti join repeat using (partition_number, "offset")';
    const refusedUrls = await this.#count(
      `pageviews join raw_url using (url) ${notRepeat} where page is null and invalid_reason is null`,
    );
    const pageviews = await this.#count('fact');
    const edgeRecords = await this.#count('equivs');
    return {
      pageviewRecords,
      invalidPageviews,
      repeats,
      refusedUrls,
      botPageviews: pageviewRecords - invalidPageviews - repeats - refusedUrls - pageviews,
      pageviews,
      edgeRecords,
      refusedEdges: await this.#count(
        'equivs where invalid_reason is not null or swa_is_nobody(a) or swa_is_nobody(b)',
      ),
      liveEdges: await this.#count('live_edge'),
      persons,
    };
  }

  async #names(statement: string): Promise<string[]> {
    const names: string[] = [];
    for await (const chunk of this.#db.stream(statement)) names.push(...textColumn(chunk, 0));
    return names;
  }

  async #runAll(...names: readonly string[]): Promise<void> {
    for (const name of names) {
      this.#options.signal?.throwIfAborted();
      await this.#db.run(name);
    }
  }

  async #count(from: string): Promise<number> {
    const rows = await this.#db.rows(`select count(*) from ${from}`);
    return Number(rows[0]?.[0]);
  }

  #step(rows: number): void {
    this.#options.signal?.throwIfAborted();
    this.#options.progress.add(rows);
  }
}
