/**
 * The busiest pages of a domain in a range. Pageviews in a range are at most those of the whole batch view plus the
 * realtime ones in the range. Pages are counted exactly in the order of that bound, until the next one cannot make it any more, or
 * until too few of the domain's pageviews are left for it; only the winners' sketches are merged.
 */
import type { PageCount } from '../../facts/views/view.js';
import type { Bodies } from '../bodies.js';
import type { Engine } from '../engine/engine.js';
import type { Generation } from '../engine/generations.js';
import type { Pace } from '../engine/pace.js';
import type { RankedPages } from '../engine/page-ranks.js';
import { sortPaced } from '../engine/paced-sort.js';
import type { HourRange, Tally } from '../engine/tally.js';
import { column } from '../formats/table.js';
import type { TimeRange } from '../question.js';
import { countOf, frameOf, methodOf, type Answer, type Count } from './answer.js';
import { emptinessOf } from './empty.js';

export interface PagesQuestion extends TimeRange {
  readonly domain: string;
  readonly limit: number;
}

export async function pages(
  engine: Engine,
  generation: Generation,
  question: PagesQuestion,
  pace: Pace,
): Promise<Answer<Bodies['pages']>> {
  const { domain, range } = question;
  const edges = await engine.edges.of(generation, pace);
  return engine.tallied(async (tally) => {
    const top = await busiest(engine, generation, question, tally, pace);
    const rows: (PageCount & Count)[] = [];
    const limits = { maxOvercount: 0, maxUndercount: 0 };
    for (const page of top) {
      tally.reset();
      await tally.add(generation, { kind: 'page', url: page.url }, range, 'uniques', pace);
      const { maxOvercount, maxUndercount, ...count } = countOf(tally, edges);
      rows.push({ ...page, ...count });
      limits.maxOvercount = Math.max(limits.maxOvercount, maxOvercount);
      limits.maxUndercount = Math.max(limits.maxUndercount, maxUndercount);
    }
    const isEmpty = rows.length === 0;
    return {
      body: {
        data: {
          domain,
          pages: rows,
          ...(isEmpty ? await emptinessOf(generation, [{ kind: 'domain', domain }], pace) : {}),
        },
        accuracy: { ...methodOf(generation), ...limits },
        ...frameOf(engine, generation, question),
      },
      table: {
        columns: [
          column('url', 'text'),
          column('pageviews', 'count'),
          column('visitors', 'count'),
          column('lower', 'count'),
          column('upper', 'count'),
          column('exact', 'flag'),
        ],
        rows: rows.map((row) => [row.url, row.pageviews, row.visitors, row.lower, row.upper, row.exact]),
      },
    };
  });
}

async function busiest(
  engine: Engine,
  generation: Generation,
  { domain, limit, range }: PagesQuestion,
  tally: Tally,
  pace: Pace,
): Promise<readonly PageCount[]> {
  await tally.add(generation, { kind: 'domain', domain }, range, 'pageviews', pace);
  let uncounted = tally.pageviews;
  if (uncounted === 0) return [];
  const batch = await engine.ranks.of(generation.batch, domain, pace);
  const realtime = await realtimePages(generation, domain, range, pace);
  const fresh = await highestFirst(realtime, batch, pace);
  const top = new Top(limit);
  // Two lists, busiest first, of pages that have been seen lately and of all others.
  for (let i = 0, j = 0, looked = 0; i < batch.ranked.length || j < fresh.length; looked++) {
    if (looked % looksBetweenPauses === 0 && pace.due) await pace.rest();
    const old = batch.ranked[i];
    if (old !== undefined && realtime.has(old.url)) {
      i++;
      continue;
    }
    const recent = fresh[j];
    const isOld = recent === undefined || (old !== undefined && isBefore(old, recent));
    const next = isOld ? old : recent;
    if (next === undefined || !top.takes(next) || !top.takes({ url: '', pageviews: uncounted })) break;
    if (isOld) i++;
    else j++;
    tally.reset();
    await tally.add(generation, { kind: 'page', url: next.url }, range, 'pageviews', pace);
    uncounted -= tally.pageviews;
    top.offer({ url: next.url, pageviews: tally.pageviews });
    if (pace.due) await pace.rest();
  }
  return top.ranked();
}

const looksBetweenPauses = 256;

/** Pageviews of every page of the domain in the realtime part of the range. */
async function realtimePages(
  generation: Generation,
  domain: string,
  range: HourRange,
  pace: Pace,
): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  for (const page of generation.realtime?.pages(domain, range.from, range.to) ?? []) {
    if (page !== undefined) counts.set(page.url, (counts.get(page.url) ?? 0) + page.pageviews);
    if (pace.due) await pace.rest();
  }
  return counts;
}

/** The pages of the realtime part with the pageviews they may have at most in the range, highest first, ties by URL. */
async function highestFirst(
  realtime: ReadonlyMap<string, number>,
  batch: RankedPages,
  pace: Pace,
): Promise<readonly PageCount[]> {
  const bounds: PageCount[] = [];
  for (const [url, pageviews] of realtime) {
    bounds.push({ url, pageviews: pageviews + (batch.pageviewsOf.get(url) ?? 0) });
    if (bounds.length % looksBetweenPauses === 0 && pace.due) await pace.rest();
  }
  return sortPaced(bounds, (a, b) => (isBefore(a, b) ? -1 : 1), pace);
}

/** The busiest `limit` pages offered, ties by URL. */
class Top {
  readonly #limit: number;
  #pages: PageCount[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Whether a page would get in. */
  takes(page: PageCount): boolean {
    const last = this.#pages[this.#limit - 1];
    return page.pageviews > 0 && (last === undefined || isBefore(page, last));
  }

  offer(page: PageCount): void {
    if (!this.takes(page)) return;
    const after = this.#pages.findIndex((other) => isBefore(page, other));
    this.#pages.splice(after < 0 ? this.#pages.length : after, 0, page);
    if (this.#pages.length > this.#limit) this.#pages.pop();
  }

  ranked(): readonly PageCount[] {
    return this.#pages;
  }
}

function isBefore(a: PageCount, b: PageCount): boolean {
  return a.pageviews > b.pageviews || (a.pageviews === b.pageviews && a.url < b.url);
}
