/**
 * What a view must pass before it is published. It is read back through the reader that will serve it:
 *
 *   cut       of the same log as the current view's, and not below it
 *   totals    pageviews of all pages, of all domains and of all listings equal the facts counted
 *   sums      of sampled subjects: 1 <= people <= pageviews in every hour; days and months are the sum of their
 *             hours' pageviews and the union of their people; visits lie between bounces and pageviews
 *   persons   the two ends of sampled edges are one person, and the person lists both
 *   recount   the hours of sampled pages on sampled days hold what their facts say (batch/recount.ts)
 */
import { SwaError } from '../lib/errors.js';
import { timeEnd } from '../lib/facts/fact.js';
import type { Rules } from '../lib/facts/rules.js';
import { checkLogId, namesOf, reaches } from '../lib/log/cut.js';
import { bucketOf, hourMs, type Span } from '../lib/time/buckets.js';
import { domainOf } from '../lib/url/domain.js';
import type { BucketCell, Subject, ViewMeta } from '../lib/views/view.js';
import { applyCoupons } from '../serving/union.js';
import type { ViewReader } from '../serving/view-reader.js';
import type { Recount } from './recount.js';

export interface Expected {
  /** The view that serves now. */
  readonly previous: ViewMeta | undefined;
  readonly pageviews: number;
  readonly rules: Rules;
  readonly sampledPages: readonly string[];
  readonly recount: Recount;
  /** Live edges whose ends must be one person. */
  readonly sampledEdges: readonly (readonly [string, string])[];
}

const allTime = { from: -1_000_000, to: Math.ceil(timeEnd / hourMs) } as const;

/** Throws `view.refused` naming the first thing that is wrong. */
export async function verifyView(view: ViewReader, expected: Expected): Promise<void> {
  checkCutAgainst(view.meta, expected.previous);
  checkTotals(view, expected);
  for (const url of expected.sampledPages) checkSubject(view, { kind: 'page', url });
  // Pages of one site share their domain: it is the largest subject, and checked once.
  for (const domain of new Set(expected.sampledPages.map(domainOf))) {
    checkSubject(view, { kind: 'domain', domain });
    checkVisits(view, domain);
  }
  checkPersons(view, expected.sampledEdges);
  const difference = await expected.recount.differenceTo(view, expected.rules);
  if (difference !== undefined) throw refuse(difference);
}

function refuse(what: string): SwaError {
  return new SwaError('view.refused', `the new view is wrong and was not published: ${what}`, {
    hint: 'the view that serves is untouched; this is a bug or failing hardware: keep the log of the run',
  });
}

/** Throws `view.refused` when answers would go back in time. */
export function checkCutAgainst(meta: ViewMeta, previous: ViewMeta | undefined): void {
  if (previous === undefined) return;
  checkLogId(meta.cut.logId, previous.cut.logId, `batch view ${previous.id}`);
  if (reaches(meta.cut.next, previous.cut.next)) return;
  const behind = namesOf(previous.cut.next).find(
    (name) => (meta.cut.next[name] ?? -1) < (previous.cut.next[name] ?? 0),
  );
  throw refuse(
    `its cut lies below that of ${previous.id} at ${behind}: ${behind === undefined ? '' : meta.cut.next[behind]}`,
  );
}

function checkTotals(view: ViewReader, expected: Expected): void {
  const { counts } = view.meta;
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
    listed += inDomain;
  }
  expect('pageviews listed', listed, expected.pageviews);
}

function expect(what: string, actual: number, wanted: number): void {
  if (actual !== wanted) throw refuse(`${what} ${actual}, expected ${wanted}`);
}

function totalOf(view: ViewReader, name: 'pages' | 'domains'): { subjects: number; pageviews: number } {
  let subjects = 0;
  let pageviews = 0;
  for (const count of view.subjectPageviews(name)) {
    subjects++;
    pageviews += count;
  }
  return { subjects, pageviews };
}

interface Sum {
  pageviews: number;
  readonly registers: Uint8Array;
}

/** Days and months must be what their hours make. */
function checkSubject(view: ViewReader, subject: Subject): void {
  const name = subject.kind === 'page' ? subject.url : subject.domain;
  const sums: Record<'day' | 'month', Map<number, Sum>> = { day: new Map(), month: new Map() };
  let total = 0;
  view.forEachBucket(subject, 'hour', allTime.from, allTime.to, (cell) => {
    checkCell(name, 'hour', cell);
    total += cell.pageviews;
    for (const span of ['day', 'month'] as const)
      addTo(sums[span], bucketOf(span, cell.bucket), cell, view.meta.lgK);
  });
  if (total !== view.pageviewsOf(subject)) {
    throw refuse(`hours of ${name} hold ${total} pageviews, its record says ${view.pageviewsOf(subject)}`);
  }
  for (const span of ['day', 'month'] as const) {
    const seen = new Map<number, Sum>();
    view.forEachBucket(subject, span, allTime.from, allTime.to, (cell) => {
      checkCell(name, span, cell);
      addTo(seen, cell.bucket, cell, view.meta.lgK);
    });
    for (const bucket of new Set([...seen.keys(), ...sums[span].keys()])) {
      const [actual, wanted] = [seen.get(bucket), sums[span].get(bucket)];
      if (actual?.pageviews !== wanted?.pageviews) {
        throw refuse(
          `${span} ${bucket} of ${name} has ${actual?.pageviews} pageviews, its hours ${wanted?.pageviews}`,
        );
      }
      if (actual !== undefined && wanted !== undefined && !equalBytes(actual.registers, wanted.registers)) {
        throw refuse(`${span} ${bucket} of ${name} does not have the people of its hours`);
      }
    }
  }
}

function checkCell(name: string, span: Span, cell: BucketCell): void {
  const { sketch } = cell;
  if (sketch.kind === 'registers') return;
  const people = sketch.coupons.length;
  if (people < 1 || people > cell.pageviews) {
    throw refuse(`${span} ${cell.bucket} of ${name} has ${people} people and ${cell.pageviews} pageviews`);
  }
}

function addTo(sums: Map<number, Sum>, bucket: number, cell: BucketCell, lgK: number): void {
  let sum = sums.get(bucket);
  if (sum === undefined) sums.set(bucket, (sum = { pageviews: 0, registers: new Uint8Array(2 ** lgK) }));
  sum.pageviews += cell.pageviews;
  addSketch(sum.registers, cell);
}

function addSketch(registers: Uint8Array, { sketch }: BucketCell): void {
  if (sketch.kind === 'coupons') {
    applyCoupons(registers, sketch.coupons, 0, sketch.coupons.length);
    return;
  }
  for (let i = 0; i < registers.length; i++) {
    registers[i] = Math.max(registers[i] ?? 0, sketch.registers[i] ?? 0);
  }
}

function checkVisits(view: ViewReader, domain: string): void {
  const pageviews = view.pageviewsOf({ kind: 'domain', domain });
  let visits = 0;
  view.forEachVisitHour(domain, allTime.from, allTime.to, (cell) => {
    visits += cell.visits;
    if (cell.visits < 1 || cell.bounces > cell.visits) {
      throw refuse(`hour ${cell.bucket} of ${domain} has ${cell.bounces} bounces in ${cell.visits} visits`);
    }
  });
  if (visits > pageviews || (visits === 0 && pageviews > 0))
    throw refuse(`${domain} has ${visits} visits in ${pageviews} pageviews`);
}

function checkPersons(view: ViewReader, edges: Expected['sampledEdges']): void {
  const members = new Map<string, ReadonlySet<string>>();
  for (const [low, high] of edges) {
    const person = view.personOf(low);
    const ids = members.get(person) ?? new Set(view.idsOf(person));
    members.set(person, ids);
    if (view.personOf(high) !== person || !ids.has(low) || !ids.has(high)) {
      throw refuse(`an edge joins ${low} and ${high}, but they are not one person in the view`);
    }
  }
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
