/**
 * Independent recount of a view: counts sampled pages again from the facts of sampled days, evenly spaced, and compares every bucket: pageviews
 * exactly, people coupon by coupon. The facts of a day are close together in the files, so this reads few of them.
 */
import { coupon } from 'hyperloglog-ts';
import type { Exclusions } from '../facts/exclusions.js';
import { isPlaceholderId } from '../facts/placeholders.js';
import type { Rules } from '../facts/rules.js';
import { widthOf, type BucketWidth } from '../lib/time/buckets.js';
import type { BucketCell, ViewMeta } from '../facts/views/view.js';
import { sqlText } from '../master-data/duckdb.js';
import { applyCoupons } from '../serving/arrays/union.js';
import type { ViewReader } from '../serving/view-reader.js';
import { integers, optionalTextIn, textIn } from '../master-data/columns.js';
import { offsetAt } from '../log/cut.js';
import type { Snapshot } from '../master-data/snapshot.js';
import { readSql, type BatchDb, type RunningStatement } from './database.js';
import { isRepeat, type RepeatBits } from './arrays/verdict.js';
import type { SampledPage } from './facts/page-sample.js';

const sampledDays = 4;

/** What to recount, and the run's results it needs. */
export interface Sample {
  readonly pages: readonly SampledPage[];
  /** All base buckets with facts. */
  readonly buckets: Iterable<number>;
  readonly width: BucketWidth;
  readonly repeats: RepeatBits;
  readonly exclusions: Exclusions;
}

interface BucketCount {
  pageviews: number;
  readonly coupons: Set<number>;
}

/** By URL, then by bucket. */
type Counts = Map<string, Map<number, BucketCount>>;

export class Recount {
  readonly pages: readonly SampledPage[];
  readonly #width: BucketWidth;
  readonly #days: readonly number[];
  readonly #repeats: RepeatBits;
  readonly #exclusions: Exclusions;
  readonly #facts: RunningStatement | undefined;

  private constructor(
    { pages, width, repeats, exclusions }: Sample,
    days: readonly number[],
    facts?: RunningStatement,
  ) {
    this.pages = pages;
    this.#width = width;
    this.#repeats = repeats;
    this.#exclusions = exclusions;
    this.#days = days;
    this.#facts = facts;
  }

  /** Starts DuckDB on the facts, in the background. */
  static async begin(db: BatchDb, snapshot: Snapshot, sample: Sample): Promise<Recount> {
    const { pages, buckets, width } = sample;
    const all = [...new Set(Array.from(buckets, (bucket) => width.dayOf(bucket)))].toSorted((a, b) => a - b);
    const count = Math.min(sampledDays, all.length);
    const days = Array.from({ length: count }, (_, i) => all[Math.floor((i * all.length) / count)] ?? 0);
    if (days.length === 0 || pages.length === 0) return new Recount(sample, days);
    const parts = [...new Set(pages.flatMap((page) => page.parts.map(sqlText)))].join(', ');
    const files = snapshot.files.filter(({ topic }) => topic === 'pageviews');
    const selects = days.flatMap((day) => {
      const bucketsOfDay = width.basesOf('day', day);
      const [from, to] = [bucketsOfDay.from * width.ms, bucketsOfDay.to * width.ms];
      return files.flatMap(({ partition, path, minTimestamp, maxTimestamp }, file) => {
        if ((minTimestamp ?? from) >= to || (maxTimestamp ?? from) < from) return [];
        const end = offsetAt(snapshot.cut.next, `pageviews/${partition}`);
        const holes = { file, path: sqlText(path), parts, from, to, end };
        return readSql(
          'recount-day',
          Object.fromEntries(Object.entries(holes).map(([name, value]) => [name, String(value)])),
        );
      });
    });
    const holes = { days: selects.join(' union all '), bucketMs: String(width.ms) };
    return new Recount(sample, days, await db.begin('recount', holes));
  }

  /** Compares with the view; returns the first difference, or undefined. */
  async differenceTo(view: ViewReader, rules: Rules): Promise<string | undefined> {
    for await (const [day, counts] of this.#countDays(view, rules)) {
      const { from, to } = this.#width.basesOf('day', day);
      for (const { url } of this.pages) {
        const buckets = counts.get(url);
        const left = new Set(buckets?.keys());
        let difference: string | undefined;
        view.forEachBucket({ kind: 'page', url }, 'base', from, to, (cell) => {
          left.delete(cell.bucket);
          difference ??= differenceIn(cell, buckets?.get(cell.bucket), url, view.meta);
        });
        for (const bucket of left)
          difference ??= `the ${this.#width.name} ${this.#width.show(bucket)} of ${url} is missing`;
        if (difference !== undefined) return difference;
      }
    }
    return undefined;
  }

  /** Counts the days in order, one at a time in memory. */
  async *#countDays(view: ViewReader, rules: Rules): AsyncGenerator<[day: number, counts: Counts]> {
    const left = [...this.#days];
    let counts: Counts = new Map();
    for await (const chunk of this.#facts?.chunks() ?? []) {
      const bucketOfRow = chunk.getColumnVector(1);
      const [files, rows] = [integers(chunk, 4), integers(chunk, 5)];
      for (let row = 0; row < chunk.rowCount; row++) {
        if (isRepeat(this.#repeats[files[row] ?? 0], rows[row] ?? 0)) continue;
        const bucket = Number(bucketOfRow.getItem(row));
        const dayOfRow = this.#width.dayOf(bucket);
        for (let day = left[0]; day !== undefined && day < dayOfRow; day = left[0]) {
          yield [day, counts];
          counts = new Map();
          left.shift();
        }
        const page = rules.url.normalize(textIn(chunk.getColumnVector(0), row));
        const visitor = textIn(chunk.getColumnVector(3), row);
        const userAgent = optionalTextIn(chunk.getColumnVector(2), row) ?? '';
        if (!page.ok || isPlaceholderId(visitor) || rules.bots.excludes(userAgent)) continue;
        const importId = optionalTextIn(chunk.getColumnVector(6), row) ?? '';
        const timestamp = Number(chunk.getColumnVector(7).getItem(row));
        if (this.#exclusions.excludes({ visitor, page: page.url, userAgent, importId, timestamp })) continue;
        const buckets = counts.get(page.url) ?? new Map<number, BucketCount>();
        counts.set(page.url, buckets);
        const count = buckets.get(bucket) ?? { pageviews: 0, coupons: new Set() };
        buckets.set(bucket, count);
        count.pageviews++;
        count.coupons.add(coupon(view.personOf(visitor)));
      }
    }
    for (const day of left) {
      yield [day, counts];
      counts = new Map();
    }
  }
}

function differenceIn(
  { bucket, pageviews, sketch }: BucketCell,
  count: BucketCount | undefined,
  url: string,
  { lgK, bucketMinutes }: ViewMeta,
): string | undefined {
  const people = Uint32Array.from(count?.coupons ?? []).toSorted();
  const width = widthOf(bucketMinutes);
  const place = `the ${width.name} ${width.show(bucket)} of ${url}`;
  const facts = `its facts give ${count?.pageviews ?? 0} and ${people.length}`;
  if (sketch.kind === 'coupons') {
    const { coupons } = sketch;
    if (count?.pageviews !== pageviews || coupons.length !== people.length)
      return `${place} has ${pageviews} pageviews and ${coupons.length} people, ${facts}`;
    if (coupons.some((each, i) => each !== people[i]))
      return `${place} does not have the people of its facts`;
    return undefined;
  }
  if (count?.pageviews !== pageviews) return `${place} has ${pageviews} pageviews and many people, ${facts}`;
  const registers = new Uint8Array(2 ** lgK);
  applyCoupons(registers, people, 0, people.length);
  if (Buffer.compare(registers, sketch.registers) === 0) return undefined;
  return `${place} does not have the people of its facts`;
}
