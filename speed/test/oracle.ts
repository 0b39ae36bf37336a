/**
 * The oracle: what the views must say, computed from the log's records in the plainest way, with sets of people instead
 * of sketches. `personsAt` is the mapping of a batch run at a cut, `countedBetween` the facts of a stretch of the log
 * under any mapping, `oracleView` a batch view made of the two.
 */
import { coupon } from 'hyperloglog-ts';
import type { EquivEdge } from '../../lib/facts/fact.js';
import { compareUtf8 } from '../../lib/facts/fact.js';
import { decodeRecord } from '../../lib/facts/record.js';
import type { Rules } from '../../lib/facts/rules.js';
import { bucketOf, hourOf } from '../../lib/time/buckets.js';
import { parsePartitionName, type Offsets, type PartitionName } from '../../lib/log/log.js';
import { domainOf } from '../../lib/url/domain.js';
import { SketchCell } from '../../lib/views/sketch-cell.js';
import type { BatchView, BucketCell, PageCount, Subject, ViewId, ViewMeta } from '../../lib/views/view.js';

export type Records = ReadonlyMap<PartitionName, readonly Uint8Array[]>;
export type PersonOf = (this: void, visitor: string) => string;

export interface OracleCell {
  pageviews: number;
  readonly coupons: Set<number>;
}

/** Subject name ('page https://…', 'domain example.com') -> hour -> cell. */
export type OracleCells = Map<string, Map<number, OracleCell>>;

export function nameOf(subject: Subject): string {
  return subject.kind === 'page' ? `page ${subject.url}` : `domain ${subject.domain}`;
}

/** Live edges before the cut, joined; an id's person is the least id of its component. */
export function personsAt(records: Records, cut: Offsets): PersonOf {
  const lastOfPair = new Map<string, EquivEdge>();
  for (const [name, values] of records) {
    for (const value of values.slice(0, cut[name])) {
      const fact = decodeRecord(value, parsePartitionName(name).topic);
      if (fact.type !== 'equiv' && fact.type !== 'retract') continue;
      const pair = JSON.stringify([fact.a, fact.b].toSorted(compareUtf8));
      if ((lastOfPair.get(pair)?.timestamp ?? -1) <= fact.timestamp) lastOfPair.set(pair, fact);
    }
  }
  const person = new Map<string, string>();
  const of = (id: string): string => person.get(id) ?? id;
  const live = [...lastOfPair.values()].filter((edge) => edge.type === 'equiv');
  for (let changed = true; changed;) {
    changed = false;
    for (const { a, b } of live) {
      const least = compareUtf8(of(a), of(b)) <= 0 ? of(a) : of(b);
      changed ||= of(a) !== least || of(b) !== least;
      person.set(a, least);
      person.set(b, least);
    }
  }
  return of;
}

/** The pageviews of [from, to), repeats of anything before them left out, counted under the mapping. */
export function countedBetween(
  records: Records,
  from: Offsets,
  to: Offsets,
  personOf: PersonOf,
  rules: Rules,
): OracleCells {
  const counter = new OracleCounter(records, from, personOf, rules);
  counter.countUpTo(to);
  return counter.cells;
}

/** Counts on and on from a position of the log, under one mapping. */
export class OracleCounter {
  readonly cells: OracleCells = new Map();
  readonly #records: Records;
  readonly #from: Offsets;
  readonly #personOf: PersonOf;
  readonly #rules: Rules;
  readonly #seen = new Set<string>();
  readonly #read = new Map<PartitionName, number>();

  constructor(records: Records, from: Offsets, personOf: PersonOf, rules: Rules) {
    this.#records = records;
    this.#from = from;
    this.#personOf = personOf;
    this.#rules = rules;
  }

  /** Brings the cells to a position not before the last one. */
  countUpTo(to: Offsets): void {
    for (const [name, values] of this.#records) {
      const end = to[name] ?? 0;
      for (let at = this.#read.get(name) ?? 0; at < end; at++) {
        const value = values[at];
        if (value !== undefined) this.#count(value, name, at >= (this.#from[name] ?? 0));
      }
      this.#read.set(name, end);
    }
  }

  #count(value: Uint8Array, name: PartitionName, isAfterStart: boolean): void {
    const fact = decodeRecord(value, parsePartitionName(name).topic);
    if (fact.type !== 'pageview') return;
    const event = `${name} ${fact.eventId}`;
    if (this.#seen.has(event)) return;
    this.#seen.add(event);
    const page = this.#rules.url.normalize(fact.url);
    if (!isAfterStart || !page.ok || this.#rules.bots.excludes(fact.userAgent)) return;
    const people = coupon(this.#personOf(fact.visitor));
    count(this.cells, { kind: 'page', url: page.url }, hourOf(fact.timestamp), people);
    count(this.cells, { kind: 'domain', domain: domainOf(page.url) }, hourOf(fact.timestamp), people);
  }
}

function count(cells: OracleCells, subject: Subject, hour: number, people: number): void {
  const hours = cells.get(nameOf(subject)) ?? new Map<number, OracleCell>();
  const cell = hours.get(hour) ?? { pageviews: 0, coupons: new Set() };
  cell.pageviews++;
  cell.coupons.add(people);
  cells.set(nameOf(subject), hours.set(hour, cell));
}

/** A batch view as one run at `cut` would make it. */
export function oracleView(
  records: Records,
  cut: ViewMeta['cut'],
  number: number,
  rules: Rules,
  lgK: number,
): BatchView {
  const personOf = personsAt(records, cut.next);
  const start = Object.fromEntries(Object.keys(cut.next).map((name) => [name, 0])) as Offsets;
  const cells = countedBetween(records, start, cut.next, personOf, rules);
  const counts = { pageviews: 0, pages: 0, domains: 0, persons: 0, mappedIds: 0 };
  const id = `v${String(number).padStart(6, '0')}-00000000` as ViewId;
  return {
    meta: {
      id,
      number,
      createdAt: 0,
      cut,
      lgK,
      rules: rules.versions,
      maxPersonIds: 0,
      codeVersion: '',
      contentHash: '',
      counts,
    },
    personOf,
    idsOf: (person) => [person],
    forEachBucket(subject, span, from, to, visit) {
      const hours = [...(cells.get(nameOf(subject)) ?? [])].toSorted(([a], [b]) => a - b);
      const buckets = new Map<number, OracleCell>();
      for (const [hour, cell] of hours) {
        const bucket = bucketOf(span, hour);
        if (bucket < from || bucket >= to) continue;
        const sum = buckets.get(bucket) ?? { pageviews: 0, coupons: new Set() };
        sum.pageviews += cell.pageviews;
        for (const each of cell.coupons) sum.coupons.add(each);
        buckets.set(bucket, sum);
      }
      for (const [bucket, cell] of buckets) visit(bucketCell(bucket, cell));
    },
    forEachVisitHour: () => undefined,
    pages: (): PageCount[] => [],
    domains: () => [],
    close: () => undefined,
  };
}

function bucketCell(bucket: number, { pageviews, coupons }: OracleCell): BucketCell {
  return new SketchCell(bucket, pageviews, {
    kind: 'coupons',
    coupons: Uint32Array.from(coupons).toSorted(),
  });
}
