/**
 * Checks that a view must pass before it is published. It is read back through the reader that will serve it:
 *
 *   cut       of the same log as the current view's, and not before it
 *   totals    the pageviews of all pages, all domains and all listings equal the facts counted; so do those of all values of a
 *             dimension in which every pageview has one
 *   sums      of sampled subjects: 1 <= people <= pageviews in every bucket; days and months are the sum of their
 *             buckets' pageviews and the union of their people
 *   visits    of all domains: the pageviews of all visits are those of the domain, bounces have one each, and no visit is longer than
 *             its pageviews allow
 *   persons   the ids of sampled persons, joined again by the texts of their edges, are those the view lists
 *   recount   the buckets of sampled pages on sampled days match their facts (batch/recount.ts)
 */
import { HllUnion } from 'hyperloglog-ts';
import { SwaError } from '../lib/errors/errors.js';
import { compareUtf8 } from '../facts/fact.js';
import type { Rules } from '../facts/rules.js';
import { checkLogId, namesOf, reaches } from '../log/cut.js';
import { widthOf, type Span } from '../lib/time/buckets.js';
import { domainOf } from '../facts/url/domain.js';
import type { BucketCell, Subject, ViewMeta } from '../facts/views/view.js';
import { applyCoupons } from '../serving/arrays/union.js';
import { kindOf, type Kind } from '../serving/layout.js';
import type { ViewReader } from '../serving/view-reader.js';
import type { Recount } from './recount.js';
import { allTimeOf } from './all-time.js';
import { visitGapMs } from './arrays/visit-pass.js';
import { nameOf } from './subject-name.js';

export interface Expected {
  /** The current view. */
  readonly previous: ViewMeta | undefined;
  readonly pageviews: number;
  readonly rules: Rules;
  readonly sampledPages: readonly string[];
  readonly recount: Recount;
  /** All live edges of the sampled persons. */
  readonly sampledEdges: readonly (readonly [string, string])[];
}

/** Number of values checked per dimension and sampled domain. */
const sampledValues = 8;

/** Throws `view.refused` for the first failure. */
export async function verifyView(view: ViewReader, expected: Expected): Promise<void> {
  checkCutAgainst(view.meta, expected.previous);
  checkTotals(view, expected);
  const subjects = new SubjectCheck(view);
  for (const url of expected.sampledPages) subjects.check({ kind: 'page', url });
  // Many pages share a domain, which is a large subject: check each domain once.
  for (const domain of new Set(expected.sampledPages.map(domainOf))) {
    subjects.check({ kind: 'domain', domain });
    for (const name of expected.rules.dimensions.names) checkValues(view, name, domain, subjects);
  }
  checkPersons(view, expected.sampledEdges);
  const difference = await expected.recount.differenceTo(view, expected.rules);
  if (difference !== undefined) throw refuse('recount', difference);
}

/** For each check, what its failure may mean. */
const kinds = {
  cut: 'the run read an older state of the master dataset, as after a restore: compare `swa status` with what you expect',
  totals: 'the run lost facts or counted them twice',
  sums: 'days or months do not match their buckets',
  visits: 'visits do not match the pageviews',
  persons: 'the run joined ids that no edge joins, or did not join ids that edges join',
  recount: 'the run took two pages or visitors for one, lost facts or counted them twice',
} as const;

function refuse(kind: keyof typeof kinds, what: string): SwaError {
  return new SwaError(
    'view.refused',
    `the new view failed its check of ${kind} and was not published: ${what}`,
    {
      hint: `${kinds[kind]}; the published view is unchanged: keep the log of the run and report it`,
      context: { kind },
    },
  );
}

/** Throws `view.refused` if answers would go back in time. */
function checkCutAgainst(meta: ViewMeta, previous: ViewMeta | undefined): void {
  if (previous === undefined) return;
  checkLogId(meta.cut.logId, previous.cut.logId, `batch view ${previous.id}`);
  if (reaches(meta.cut.next, previous.cut.next)) return;
  const behind = namesOf(previous.cut.next).find(
    (name) => (meta.cut.next[name] ?? -1) < (previous.cut.next[name] ?? 0),
  );
  throw refuse(
    'cut',
    `its cut is before that of ${previous.id} at ${behind}: ${behind === undefined ? '' : meta.cut.next[behind]}`,
  );
}

function checkTotals(view: ViewReader, expected: Expected): void {
  const { counts } = view.meta;
  for (const { name, otherwise } of expected.rules.dimensions.kept) {
    const values = totalOf(view, kindOf(name));
    expect(`values of ${name}`, values.subjects, counts.values[name] ?? -1);
    if (otherwise !== undefined)
      expect(`pageviews of all values of ${name} together`, values.pageviews, expected.pageviews);
  }
  expect('pageviews in META', counts.pageviews, expected.pageviews);
  const pages = totalOf(view, 'pages');
  const domains = totalOf(view, 'domains');
  expect('pageviews of all pages together', pages.pageviews, expected.pageviews);
  expect('pages', pages.subjects, counts.pages);
  expect('pageviews of all domains together', domains.pageviews, expected.pageviews);
  expect('domains', domains.subjects, counts.domains);
  let listed = 0;
  for (const domain of view.domains()) {
    let inDomain = 0;
    for (const page of view.pages(domain)) inDomain += page.pageviews;
    expect(`pageviews listed for ${domain}`, inDomain, view.pageviewsOf({ kind: 'domain', domain }));
    checkVisits(view, domain, inDomain);
    listed += inDomain;
  }
  expect('pageviews listed', listed, expected.pageviews);
}

function expect(what: string, actual: number, wanted: number): void {
  if (actual !== wanted) throw refuse('totals', `${what} ${actual}, expected ${wanted}`);
}

function totalOf(view: ViewReader, kind: Kind): { subjects: number; pageviews: number } {
  let subjects = 0;
  let pageviews = 0;
  for (const count of view.subjectPageviews(kind)) {
    subjects++;
    pageviews += count;
  }
  return { subjects, pageviews };
}

/** Checks the first values of a domain, and that all of them together have no more pageviews than the domain. */
function checkValues(view: ViewReader, dimension: string, domain: string, subjects: SubjectCheck): void {
  let pageviews = 0;
  let seen = 0;
  for (const { value, pageviews: own } of view.values(dimension, domain)) {
    pageviews += own;
    if (seen++ < sampledValues) subjects.check({ kind: 'value', dimension, domain, value });
  }
  const most = view.pageviewsOf({ kind: 'domain', domain });
  if (pageviews > most)
    throw refuse(
      'sums',
      `values of ${dimension} of ${domain} have ${pageviews} pageviews, the domain ${most}`,
    );
}

/** Checks that days and months of subjects match their buckets. */
class SubjectCheck {
  readonly #view: ViewReader;
  readonly #cell: HllUnion;
  readonly #day: HllUnion;
  readonly #month: HllUnion;

  constructor(view: ViewReader) {
    this.#view = view;
    const { lgK } = view.meta;
    this.#cell = new HllUnion({ lgK });
    this.#day = new HllUnion({ lgK });
    this.#month = new HllUnion({ lgK });
  }

  /** Throws `view.refused`. */
  check(subject: Subject): void {
    const view = this.#view;
    const name = nameOf(subject);
    const { from, to } = allTimeOf(view.meta);
    const width = widthOf(view.meta.bucketMinutes);
    const sums = { day: new Sums(this.#day), month: new Sums(this.#month) };
    let total = 0;
    view.forEachBucket(subject, 'base', from, to, (cell) => {
      this.#checkPeople(name, 'base', cell);
      total += cell.pageviews;
      for (const span of ['day', 'month'] as const) sums[span].add(width.bucketOf(span, cell.bucket), cell);
    });
    if (total !== view.pageviewsOf(subject)) {
      throw refuse(
        'sums',
        `buckets of ${name} hold ${total} pageviews, its record says ${view.pageviewsOf(subject)}`,
      );
    }
    for (const span of ['day', 'month'] as const) {
      const wanted = sums[span].finish();
      const seen = new Sums(this.#day);
      view.forEachBucket(subject, span, from, to, (cell) => {
        this.#checkPeople(name, span, cell);
        seen.add(cell.bucket, cell);
      });
      compareSums(name, span, seen.finish(), wanted);
    }
  }

  #checkPeople(name: string, span: Span, cell: BucketCell): void {
    cell.addTo(this.#cell.reset());
    if (this.#cell.mode === 'registers') return;
    const people = this.#cell.couponCount;
    if (people < 1 || people > cell.pageviews) {
      throw refuse(
        'sums',
        `${span} ${cell.bucket} of ${name} has ${people} people and ${cell.pageviews} pageviews`,
      );
    }
  }
}

interface Sum {
  readonly pageviews: number;
  readonly registers: Uint8Array;
}

/** Pageviews and people by day or month; the cells come in order of time. */
class Sums {
  readonly #sums = new Map<number, Sum>();
  readonly #people: HllUnion;
  #bucket: number | undefined;
  #pageviews = 0;

  /** @param people used until `finish` */
  constructor(people: HllUnion) {
    this.#people = people;
  }

  /** @param bucket the day or month of the cell */
  add(bucket: number, cell: BucketCell): void {
    if (bucket !== this.#bucket) this.finish();
    this.#bucket = bucket;
    this.#pageviews += cell.pageviews;
    cell.addTo(this.#people);
  }

  finish(): ReadonlyMap<number, Sum> {
    if (this.#bucket !== undefined)
      this.#sums.set(this.#bucket, { pageviews: this.#pageviews, registers: registersOf(this.#people) });
    this.#bucket = undefined;
    this.#pageviews = 0;
    this.#people.reset();
    return this.#sums;
  }
}

function registersOf(people: HllUnion): Uint8Array {
  const coupons = people.coupons();
  if (coupons === undefined) return (people.registers() ?? new Uint8Array(0)).slice();
  const registers = new Uint8Array(2 ** people.lgK);
  applyCoupons(registers, coupons, 0, coupons.length);
  return registers;
}

function compareSums(
  name: string,
  span: Span,
  seen: ReadonlyMap<number, Sum>,
  sums: ReadonlyMap<number, Sum>,
): void {
  for (const bucket of new Set([...seen.keys(), ...sums.keys()])) {
    const [actual, wanted] = [seen.get(bucket), sums.get(bucket)];
    if (actual?.pageviews !== wanted?.pageviews) {
      throw refuse(
        'sums',
        `${span} ${bucket} of ${name} has ${actual?.pageviews} pageviews, its buckets ${wanted?.pageviews}`,
      );
    }
    if (actual !== undefined && wanted !== undefined && !equalBytes(actual.registers, wanted.registers)) {
      throw refuse('sums', `${span} ${bucket} of ${name} does not have the people of its buckets`);
    }
  }
}

/** @param pageviews of the domain */
function checkVisits(view: ViewReader, domain: string, pageviews: number): void {
  const { from, to } = allTimeOf(view.meta);
  let seen = 0;
  view.forEachVisitBucket(domain, from, to, (cell) => {
    const { bucket, visits, bounces, durationMs } = cell;
    seen += cell.pageviews;
    if (visits < 1 || bounces > visits)
      throw refuse('visits', `bucket ${bucket} of ${domain} has ${bounces} bounces in ${visits} visits`);
    if (cell.pageviews < 2 * visits - bounces)
      throw refuse(
        'visits',
        `bucket ${bucket} of ${domain} has ${cell.pageviews} pageviews in ${visits} visits, ${bounces} of them bounces`,
      );
    if (durationMs > (cell.pageviews - visits) * (visitGapMs - 1))
      throw refuse(
        'visits',
        `bucket ${bucket} of ${domain} has ${durationMs} ms in ${cell.pageviews} pageviews of visits`,
      );
  });
  if (seen !== pageviews)
    throw refuse('visits', `the visits of ${domain} have ${seen} pageviews, the domain ${pageviews}`);
}

/** Joins the ids of the edges again, by their texts. */
function checkPersons(view: ViewReader, edges: Expected['sampledEdges']): void {
  const persons = new Map<string, Set<string>>();
  for (const [low, high] of edges) {
    const joined = persons.get(low) ?? new Set([low]);
    for (const id of persons.get(high) ?? [high]) {
      joined.add(id);
      persons.set(id, joined);
    }
    persons.set(low, joined);
  }
  for (const ids of new Set(persons.values())) {
    const wanted = [...ids].toSorted(compareUtf8);
    const [least = ''] = wanted;
    const stray = wanted.find((id) => view.personOf(id) !== least);
    if (stray !== undefined)
      throw refuse(
        'persons',
        `${stray} belongs to ${view.personOf(stray)}, but its edges join it to ${least}`,
      );
    const listed = view.idsOf(least);
    if (listed.join('\n') !== wanted.join('\n'))
      throw refuse('persons', `${least} has the ids ${list(listed)}, but its edges join ${list(wanted)}`);
  }
}

function list(ids: readonly string[]): string {
  return ids.length > 5 ? `${ids.slice(0, 5).join(', ')} and ${ids.length - 5} more` : ids.join(', ');
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
