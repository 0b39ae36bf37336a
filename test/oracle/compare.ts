/**
 * Views against the oracle, every cell: pageviews equal, and the sketch bit for bit. While all of a cell is coupons, the
 * set of coupons; else the registers. A cell that the oracle does not have is as wrong as one that is missing.
 */
import assert from 'node:assert/strict';
import { coupon } from 'hyperloglog-ts';
import { isEdge } from '../../facts/fact.js';
import { makeRules, type Rules } from '../../facts/rules.js';
import { dimensions } from '../../facts/subjects.js';
import { spans, type Span } from '../../lib/time/buckets.js';
import type { BatchView, BucketCell, LocalRealtimeView, Subject } from '../../facts/views/view.js';
import { batchTally } from './layers.js';
import { compareBytes, joined, livePairs, type Bucket, type Placed, type Tally } from './oracle.js';

const defaultRules = makeRules({ urlQueryAllow: [], bots: 'exclude' });

/** Beyond all buckets of times that facts may have. */
const [from, to] = [-400_000, 1_600_000_000];

/** What was compared, for tests that must not pass because there was nothing. */
export interface Compared {
  cells: number;
  /** Cells that at least one of the layers holds as registers. */
  registers: number;
}

/** A batch view must be exactly what a run over the ledger makes: buckets, visits, listings, persons and counts. */
export function assertViewEquals(
  view: BatchView,
  ledger: readonly Placed[],
  rules: Rules = defaultRules,
): Compared {
  const tally = batchTally(ledger, rules, view.meta.bucketMinutes, view.meta.keptFrom);
  const compared = { cells: 0, registers: 0 };
  const domains = subjectsOfKind(tally, 'domain');
  assert.deepEqual([...view.domains()], domains.toSorted());
  const pages = domains.flatMap((domain) => [...view.pages(domain)]);
  assert.deepEqual(pages.map(({ url }) => url).toSorted(), subjectsOfKind(tally, 'page').toSorted());
  for (const { url, pageviews } of pages)
    assert.equal(pageviews, totalOf(tally, `page ${url}`), `pageviews of ${url} in the listing`);
  for (const domain of domains) {
    for (const { name } of dimensions) {
      const expected = valuesIn(tally, name, domain).map((value) => ({
        value,
        pageviews: totalOf(tally, `value ${name} ${domain} ${value}`),
      }));
      assert.deepEqual([...view.values(name, domain)], expected, `${name} of ${domain} in the listing`);
    }
  }
  for (const [name, buckets] of tally.subjects) {
    const found = new FoundCells(view.meta.lgK);
    for (const span of spans) {
      const order: number[] = [];
      view.forEachBucket(subjectOf(name), span, from, to, (cell) => {
        order.push(cell.bucket);
        found.add(span, cell);
      });
      assert.deepEqual(
        order,
        order.toSorted((a, b) => a - b),
        `${span} buckets of ${name} ascend`,
      );
    }
    found.assertEquals(name, buckets, compared);
  }
  for (const domain of domains) {
    const visits = new Map<number, unknown>();
    view.forEachVisitBucket(domain, from, to, ({ bucket, ...counts }) => {
      visits.set(bucket, counts);
    });
    assert.deepEqual(
      ascending(visits),
      ascending(tally.visits.get(domain) ?? new Map()),
      `visits of ${domain}`,
    );
  }
  const mappedIds = assertPersonsEqual(view, ledger, rules);
  const { pageviews, people } = tally;
  const values = rules.dimensions.kept.map(({ name }): [string, number] => [
    name,
    domains.reduce((sum, domain) => sum + valuesIn(tally, name, domain).length, 0),
  ]);
  assert.deepEqual(view.meta.counts, {
    pageviews,
    pages: pages.length,
    domains: domains.length,
    values: Object.fromEntries(values),
    persons: people.size,
    mappedIds,
  });
  assert.deepEqual(Object.entries(view.meta.counts.values), values, 'in the order of the table');
  return compared;
}

/** Returns how many ids have another PersonID than themselves. */
function assertPersonsEqual(view: BatchView, ledger: readonly Placed[], rules: Rules): number {
  const persons = joined(livePairs(ledger, rules, view.meta.keptFrom));
  const visitors = ledger.flatMap(({ fact }) =>
    isEdge(fact) ? [fact.a, fact.b] : fact.type === 'pageview' ? [fact.visitor] : [],
  );
  for (const id of visitors) assert.equal(view.personOf(id), persons.get(id) ?? id, `PersonID of ${id}`);
  const members = new Map<string, string[]>();
  for (const [id, person] of persons) members.set(person, [...(members.get(person) ?? []), id]);
  for (const [person, ids] of members) {
    assert.deepEqual([...view.idsOf(person)].toSorted(), ids.toSorted(), `ids of ${person}`);
  }
  for (const id of visitors) if (!persons.has(id)) assert.deepEqual([...view.idsOf(id)], [id]);
  return persons.size - members.size;
}

/** A realtime view must hold the tally's buckets and nothing else. */
export function assertRealtimeEquals(view: LocalRealtimeView, tally: Tally, lgK: number): Compared {
  return assertBucketsEqual([view], tally, lgK);
}

/** What a batch view and a realtime view hold together must be the tally's buckets and nothing else. */
export function assertTogetherEqual(batch: BatchView, realtime: LocalRealtimeView, tally: Tally): Compared {
  return assertBucketsEqual([batch, realtime], tally, batch.meta.lgK);
}

function assertBucketsEqual(
  views: readonly (BatchView | LocalRealtimeView)[],
  tally: Tally,
  lgK: number,
): Compared {
  const compared = { cells: 0, registers: 0 };
  const domains = [...new Set(views.flatMap((view) => [...view.domains()]))];
  assert.deepEqual(domains.toSorted(), subjectsOfKind(tally, 'domain').toSorted());
  const pages = domains.flatMap((domain) => views.flatMap((view) => [...pagesOf(view, domain)]));
  assert.deepEqual([...new Set(pages)].toSorted(), subjectsOfKind(tally, 'page').toSorted());
  for (const domain of domains) {
    for (const { name } of dimensions) {
      const listed = new Set(views.flatMap((view) => [...listedValues(view, name, domain)]));
      const expected = valuesIn(tally, name, domain);
      assert.deepEqual([...listed].toSorted(compareBytes), expected, `${name} of ${domain} in the listings`);
    }
  }
  for (const [name, buckets] of tally.subjects) {
    const found = new FoundCells(lgK);
    for (const view of views) {
      const add = (cell: BucketCell): void => found.add('base', cell);
      if ('generation' in view) view.forEachBucket(subjectOf(name), 0, to, add);
      else view.forEachBucket(subjectOf(name), 'base', from, to, add);
    }
    const bases = new Map([...buckets].filter(([bucket]) => bucket.startsWith('base')));
    found.assertEquals(name, bases, compared);
  }
  return compared;
}

function* pagesOf(view: BatchView | LocalRealtimeView, domain: string): Generator<string> {
  const listed = 'generation' in view ? [...view.pages(domain, 0, to)].flat() : view.pages(domain);
  for (const { url } of listed) yield url;
}

function* listedValues(
  view: BatchView | LocalRealtimeView,
  dimension: string,
  domain: string,
): Generator<string> {
  const listed =
    'generation' in view ? [...view.values(dimension, domain, 0, to)].flat() : view.values(dimension, domain);
  for (const { value } of listed) yield value;
}

/** As the oracle names a subject: 'page https://…', 'domain example.com', 'value source example.com direct'. */
export function nameOf(subject: Subject): string {
  if (subject.kind === 'page') return `page ${subject.url}`;
  if (subject.kind === 'domain') return `domain ${subject.domain}`;
  return `value ${subject.dimension} ${subject.domain} ${subject.value}`;
}

/** The subject of a name. */
export function subjectOf(name: string): Subject {
  const [kind, first = '', second = '', ...rest] = name.split(' ');
  if (kind === 'page') return { kind, url: name.slice('page '.length) };
  if (kind === 'domain') return { kind, domain: first };
  return { kind: 'value', dimension: first, domain: second, value: rest.join(' ') };
}

/** The values of a dimension that a domain has, in UTF-8 byte order. */
export function valuesIn({ subjects }: Tally, dimension: string, domain: string): string[] {
  const prefix = `value ${dimension} ${domain} `;
  return [...subjects.keys()]
    .filter((name) => name.startsWith(prefix))
    .map((name) => name.slice(prefix.length))
    .toSorted(compareBytes);
}

/** Pageviews of a subject over all. */
export function totalOf({ subjects }: Tally, name: string): number {
  const months = [...(subjects.get(name) ?? [])].filter(([bucket]) => bucket.startsWith('month'));
  return months.reduce((sum, [, { pageviews }]) => sum + pageviews, 0);
}

function subjectsOfKind({ subjects }: Tally, kind: 'page' | 'domain'): string[] {
  return [...subjects.keys()]
    .filter((name) => name.startsWith(`${kind} `))
    .map((name) => name.slice(kind.length + 1));
}

interface Found {
  pageviews: number;
  readonly coupons: Set<number>;
  /** Of the parts that came as registers. */
  registers: Uint8Array | undefined;
}

/** The cells of one subject, united by bucket whichever view or partition they come from. */
class FoundCells {
  readonly #lgK: number;
  readonly #cells = new Map<string, Found>();

  constructor(lgK: number) {
    this.#lgK = lgK;
  }

  add(span: Span, { bucket, pageviews, sketch }: BucketCell): void {
    const name = `${span} ${bucket}`;
    const found = this.#cells.get(name) ?? { pageviews: 0, coupons: new Set(), registers: undefined };
    this.#cells.set(name, found);
    found.pageviews += pageviews;
    if (sketch.kind === 'coupons') {
      for (const each of sketch.coupons) found.coupons.add(each);
    } else {
      const known = found.registers ?? new Uint8Array(2 ** this.#lgK);
      found.registers = known.map((value, slot) => Math.max(value, sketch.registers[slot] ?? 0));
    }
  }

  assertEquals(subject: string, buckets: ReadonlyMap<string, Bucket>, compared: Compared): void {
    assert.deepEqual(
      [...this.#cells.keys()].toSorted(),
      [...buckets.keys()].toSorted(),
      `buckets of ${subject}`,
    );
    for (const [name, { pageviews, people }] of buckets) {
      const found = this.#cells.get(name);
      assert.equal(found?.pageviews, pageviews, `pageviews of ${subject} in ${name}`);
      const coupons = new Set([...people].map(coupon));
      compared.cells++;
      if (found?.registers === undefined) {
        assert.deepEqual(ordered(found?.coupons ?? []), ordered(coupons), `people of ${subject} in ${name}`);
      } else {
        compared.registers++;
        assert.ok(
          coupons.size > 0.75 * 2 ** (this.#lgK - 3),
          `few people of ${subject} in ${name} have registers`,
        );
        raise(found.registers, found.coupons);
        const registers = new Uint8Array(2 ** this.#lgK);
        raise(registers, coupons);
        assert.deepEqual(found.registers, registers, `registers of ${subject} in ${name}`);
      }
    }
  }
}

/** A register is the greatest value of its coupons: value in the upper 6 bits, slot in the lower ones. */
function raise(registers: Uint8Array, coupons: Iterable<number>): void {
  for (const each of coupons) {
    const slot = each & (registers.length - 1);
    registers[slot] = Math.max(registers[slot] ?? 0, each >>> 26);
  }
}

function ordered(numbers: Iterable<number>): number[] {
  return [...numbers].toSorted((a, b) => a - b);
}

function ascending<T>(map: ReadonlyMap<number, T>): [number, T][] {
  return [...map].toSorted(([a], [b]) => a - b);
}
