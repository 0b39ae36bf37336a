/**
 * A batch view like that of 20 million pageviews of one site in a year: the busiest page has a tenth of them, in every hour of the year; the other
 * pages share the rest by Zipf's law. Only the parts that range queries read are made.
 */
import { widthOf } from '../lib/time/buckets.js';
import { BlockBuilder } from '../serving/arrays/block-builder.js';
import { PackedTexts } from '../lib/memory/packed-texts.js';
import { CellFile } from '../serving/cell-file.js';
import { writeIdentity } from '../serving/identity.js';
import { publish, newBuildingDir } from '../serving/store.js';
import { ViewWriter } from '../serving/view-writer.js';
import { makeRules } from '../facts/rules.js';
import type { LogId, Offsets } from '../log/log.js';

export const yearFromHour = Date.UTC(2025, 0, 1) / 3_600_000;
export const yearToHour = Date.UTC(2026, 0, 1) / 3_600_000;
export const domain = 'example.org';

export interface YearOptions {
  readonly number: number;
  readonly pages: number;
  /** Pageviews of the busiest page. */
  readonly busiestViews: number;
  readonly people: number;
  readonly lgK: number;
  readonly cut: { readonly logId: LogId; readonly next: Offsets };
}

/** URLs of the view, busiest first. */
export function urlsOf(pages: number): string[] {
  return Array.from(
    { length: pages },
    (_, rank) => `https://www.${domain}/p/${String(rank).padStart(5, '0')}`,
  );
}

/** Builds and publishes the view. Deterministic. */
export async function publishYear(dataDir: string, options: YearOptions): Promise<void> {
  const building = newBuildingDir(dataDir, 'bench');
  const writer = new ViewWriter(building, []);
  const pages = new CellFile(writer.cellsPath('pages'));
  const domains = new CellFile(writer.cellsPath('domains'));
  const builder = new BlockBuilder(options.lgK, widthOf(60));
  const random = xorshift(42);
  let total = 0;
  for (const [rank, url] of urlsOf(options.pages).entries()) {
    const views = Math.ceil(options.busiestViews / (rank + 1));
    for (let hour = yearFromHour; hour < yearToHour; hour++) {
      const mean = views / (yearToHour - yearFromHour);
      const count = Math.floor(mean) + (random() < mean % 1 ? 1 : 0);
      if (count === 0) continue;
      const coupons = Uint32Array.from({ length: count }, () =>
        couponOf(Math.floor(random() * options.people)),
      );
      const distinct = Uint32Array.from(new Set(coupons)).toSorted();
      builder.bucket(hour, count, distinct, 0, distinct.length);
      total += count;
    }
    const block = builder.finish();
    writer.page(Buffer.from(url), pages.append(block));
    writer.listPage(domain, Buffer.from(url), block.pageviews);
  }
  const parts = {
    identity: await writeIdentity(writer.identityPath, new PackedTexts(), []),
    cells: new Map([
      ['pages', await pages.close()],
      ['domains', await domains.close()],
    ] as const),
  };
  const base = {
    number: options.number,
    createdAt: yearToHour * 3_600_000,
    cut: options.cut,
    lgK: options.lgK,
    bucketMinutes: 60 as const,
    rules: makeRules({ urlQueryAllow: [], bots: 'exclude' }).versions,
    maxPersonIds: 0,
    gaps: [],
    codeVersion: 'bench',
    counts: {
      pageviews: total,
      pages: options.pages,
      domains: 1,
      values: {},
      persons: options.people,
      mappedIds: 0,
    },
  };
  const meta = await writer.finish(base, parts);
  publish(dataDir, building, meta);
}

/** A coupon distributed like a hashed one: 26 mixed address bits, geometric value. */
function couponOf(person: number): number {
  const mixed = mix(person + 1);
  const value = Math.min(Math.clz32(mix(mixed ^ 0x9e3779b9)), 31) + 1;
  return ((value << 26) | (mixed & 0x3ffffff)) >>> 0;
}

/** The finaliser of MurmurHash3, 32 bits. */
function mix(value: number): number {
  let h = value >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

function xorshift(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
