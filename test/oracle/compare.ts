/**
 * Views against the oracle, every cell: pageviews equal, and the sketch bit for bit. While all of a cell is coupons, the
 * set of coupons; else the registers. A cell that the oracle does not have is as wrong as one that is missing.
 */
import assert from 'node:assert/strict';
import { coupon } from 'hyperloglog-ts';
import { makeRules, type Rules } from '../../facts/rules.js';
import { spans, type Span } from '../../lib/time/buckets.js';
import type { BatchView, BucketCell, RealtimeView, Subject } from '../../facts/views/view.js';
import { batchTally } from './layers.js';
import { joined, livePairs, type Bucket, type Placed, type Tally } from './oracle.js';

const defaultRules = makeRules({ queryAllow: [], bots: 'exclude' });

/** Beyond all buckets of times that facts may have. */
const [from, to] = [-100_000, 400_000_000];

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
  const tally = batchTally(ledger, rules);
  const compared = { cells: 0, registers: 0 };
  const domains = subjectsOfKind(tally, 'domain');
  assert.deepEqual([...view.domains()], domains.toSorted());
  const pages = domains.flatMap((domain) => [...view.pages(domain)]);
  assert.deepEqual(pages.map(({ url }) => url).toSorted(), subjectsOfKind(tally, 'page').toSorted());
  for (const { url, pageviews } of pages) {
    const months = [...(tally.subjects.get(`page ${url}`) ?? [])].filter(([name]) =>
      name.startsWith('month'),
    );
    const all = months.reduce((sum, [, bucket]) => sum + bucket.pageviews, 0);
    assert.equal(pageviews, all, `pageviews of ${url} in the listing`);
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
    const hours = new Map<number, unknown>();
    view.forEachVisitHour(domain, from, to, ({ bucket, visits, bounces }) => {
      hours.set(bucket, { visits, bounces });
    });
    assert.deepEqual(
      ascending(hours),
      ascending(tally.visits.get(domain) ?? new Map()),
      `visits of ${domain}`,
    );
  }
  const mappedIds = assertPersonsEqual(view, ledger);
  const { pageviews, people } = tally;
  const counts = { pageviews, pages: pages.length, domains: domains.length, persons: people.size, mappedIds };
  assert.deepEqual(view.meta.counts, counts);
  return compared;
}

/** Returns how many ids have another PersonID than themselves. */
function assertPersonsEqual(view: BatchView, ledger: readonly Placed[]): number {
  const persons = joined(livePairs(ledger));
  const visitors = ledger.flatMap(({ fact }) =>
    fact.type === 'pageview' ? [fact.visitor] : [fact.a, fact.b],
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

/** A realtime view must hold the tally's hours and nothing else. */
export function assertRealtimeEquals(view: RealtimeView, tally: Tally, lgK: number): Compared {
  return assertHoursEqual([view], tally, lgK);
}

/** What a batch view and a realtime view hold together must be the tally's hours and nothing else. */
export function assertTogetherEqual(batch: BatchView, realtime: RealtimeView, tally: Tally): Compared {
  return assertHoursEqual([batch, realtime], tally, batch.meta.lgK);
}

function assertHoursEqual(views: readonly (BatchView | RealtimeView)[], tally: Tally, lgK: number): Compared {
  const compared = { cells: 0, registers: 0 };
  const domains = [...new Set(views.flatMap((view) => [...view.domains()]))];
  assert.deepEqual(domains.toSorted(), subjectsOfKind(tally, 'domain').toSorted());
  const pages = domains.flatMap((domain) => views.flatMap((view) => [...pagesOf(view, domain)]));
  assert.deepEqual([...new Set(pages)].toSorted(), subjectsOfKind(tally, 'page').toSorted());
  for (const [name, buckets] of tally.subjects) {
    const found = new FoundCells(lgK);
    for (const view of views) {
      const add = (cell: BucketCell): void => found.add('hour', cell);
      if ('forEachHour' in view) view.forEachHour(subjectOf(name), 0, to, add);
      else view.forEachBucket(subjectOf(name), 'hour', from, to, add);
    }
    const hours = new Map([...buckets].filter(([bucket]) => bucket.startsWith('hour')));
    found.assertEquals(name, hours, compared);
  }
  return compared;
}

function* pagesOf(view: BatchView | RealtimeView, domain: string): Generator<string> {
  const listed = 'forEachHour' in view ? view.pages(domain, 0, to) : view.pages(domain);
  for (const page of listed) if (page !== undefined) yield page.url;
}

/** 'page https://…' or 'domain example.com', as the oracle names a subject. */
export function nameOf(subject: Subject): string {
  return subject.kind === 'page' ? `page ${subject.url}` : `domain ${subject.domain}`;
}

/** The subject of a name. */
export function subjectOf(name: string): Subject {
  const rest = name.slice(name.indexOf(' ') + 1);
  return name.startsWith('page ') ? { kind: 'page', url: rest } : { kind: 'domain', domain: rest };
}

function subjectsOfKind({ subjects }: Tally, kind: Subject['kind']): string[] {
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
