/** Plain TypeScript equivalent of the kernel and the passes around it, fact by fact: must give the same blocks and visits, byte for byte. */
import type { BucketWidth } from '../../lib/time/buckets.js';
import { BlockBuilder } from '../../serving/arrays/block-builder.js';
import { ByteWriter } from '../../serving/arrays/bytes.js';
import { encodeVisits } from '../../serving/arrays/visits.js';
import { visitsOf } from '../../test/oracle/oracle.js';

export interface TwinFact {
  readonly page: number;
  readonly person: number;
  /** The bucket, not its rank. */
  readonly bucket: number;
  readonly millisecond: number;
  readonly coupon: number;
}

export interface TwinBlock {
  readonly subject: number;
  readonly bytes: Uint8Array;
  readonly tableLength: number;
  readonly pageviews: number;
}

export function blocksOf(
  facts: readonly TwinFact[],
  subjectOf: (page: number) => number,
  lgK: number,
  width: BucketWidth,
): TwinBlock[] {
  const builder = new BlockBuilder(lgK, width);
  return grouped(facts, ({ page }) => subjectOf(page)).map(([subject, own]) => {
    for (const [bucket, views] of grouped(own, (fact) => fact.bucket)) {
      const coupons = Uint32Array.from(new Set(views.map(({ coupon }) => coupon))).toSorted();
      builder.bucket(bucket, views.length, coupons, 0, coupons.length);
    }
    const { bytes, tableLength, pageviews } = builder.finish();
    return { subject, bytes: bytes.slice(), tableLength, pageviews };
  });
}

/** Encoded visits by domain. */
export function visitsByDomain(
  facts: readonly TwinFact[],
  domainOf: (page: number) => number,
  width: BucketWidth,
): Map<number, Uint8Array> {
  const encoded = grouped(facts, ({ page }) => domainOf(page)).map(([domain, own]) => {
    const visits = grouped(own, ({ person }) => person).flatMap(([, views]) =>
      visitsOf(views.map(({ bucket, millisecond }) => bucket * width.ms + millisecond)),
    );
    const cells = grouped(visits, ([first = 0]) => width.at(first)).map(([bucket, begun]) => ({
      bucket,
      visits: begun.length,
      bounces: begun.filter((visit) => visit.length === 1).length,
      pageviews: begun.reduce((sum, visit) => sum + visit.length, 0),
      durationMs: begun.reduce((sum, visit) => sum + (visit.at(-1) ?? 0) - (visit[0] ?? 0), 0),
    }));
    const out = new ByteWriter();
    encodeVisits(out, cells);
    return [domain, out.view().slice()] as const;
  });
  return new Map(encoded);
}

/** Groups things by a number, ascending. */
function grouped<T>(things: readonly T[], numberOf: (thing: T) => number): [number, T[]][] {
  const groups = new Map<number, T[]>();
  for (const thing of things) {
    const number = numberOf(thing);
    groups.set(number, [...(groups.get(number) ?? []), thing]);
  }
  return [...groups].toSorted(([a], [b]) => a - b);
}
