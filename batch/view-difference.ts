/**
 * Describes the differences between two views of the same facts, by page and by person. For an audit that compares a stored view with one just
 * made from the facts.
 */
import { compareUtf8 } from '../facts/fact.js';
import { widthOf } from '../lib/time/buckets.js';
import { allTimeOf } from './all-time.js';
import type { BatchView, BucketCell } from '../facts/views/view.js';

/** The parts of a view that are compared. */
export interface ViewContents extends Pick<BatchView, 'domains' | 'pages' | 'forEachBucket'> {
  readonly meta: Pick<BatchView['meta'], 'bucketMinutes'>;
  /** The ids of every person with two or more, ascending, in the order of their first ids. */
  persons(): Iterable<readonly string[]>;
}

export interface ViewDifferences {
  readonly pages: number;
  readonly persons: number;
  /** Descriptions of the first differences of both kinds. */
  readonly examples: readonly string[];
}

const examplesOfEach = 10;
const idsShown = 5;

export function differencesOf(stored: ViewContents, made: ViewContents): ViewDifferences {
  const pages = new Findings();
  for (const [domain] of merged(stored.domains(), made.domains(), (name) => name)) {
    for (const [url, before, after] of merged(stored.pages(domain), made.pages(domain), (page) => page.url)) {
      if (before === undefined) pages.add(() => `the page ${url} is missing`);
      else if (after === undefined) pages.add(() => `the page ${url} exists, but no fact counts for it`);
      else {
        const difference = differenceInBuckets(url, stored, made);
        if (difference !== undefined) pages.add(() => difference);
      }
    }
  }
  const persons = new Findings();
  for (const [id, before, after] of merged(stored.persons(), made.persons(), ([first = '']) => first)) {
    if (before?.join('\n') === after?.join('\n')) continue;
    persons.add(
      () =>
        `the person ${id} ${before === undefined ? 'is missing' : `has the ids ${list(before)}`}; its edges join ${after === undefined ? 'no such person' : list(after)}`,
    );
  }
  return {
    pages: pages.count,
    persons: persons.count,
    examples: [...pages.examples, ...persons.examples],
  };
}

/** Counts all findings, and keeps the descriptions of the first. */
class Findings {
  count = 0;
  readonly examples: string[] = [];

  add(words: () => string): void {
    if (this.count++ < examplesOfEach) this.examples.push(words());
  }
}

/** Merges two sequences, each ascending by key in UTF-8 byte order. */
function* merged<T>(
  left: Iterable<T>,
  right: Iterable<T>,
  keyOf: (item: T) => string,
): Generator<[key: string, left: T | undefined, right: T | undefined]> {
  const [lefts, rights] = [left[Symbol.iterator](), right[Symbol.iterator]()];
  let [a, b] = [lefts.next(), rights.next()];
  while (a.done !== true || b.done !== true) {
    const order = a.done === true ? 1 : b.done === true ? -1 : compareUtf8(keyOf(a.value), keyOf(b.value));
    const [taken, other] = [
      order <= 0 && a.done !== true ? a.value : undefined,
      order >= 0 && b.done !== true ? b.value : undefined,
    ];
    const present = taken ?? other;
    if (present === undefined) return;
    yield [keyOf(present), taken, other];
    if (order <= 0) a = lefts.next();
    if (order >= 0) b = rights.next();
  }
}

interface Bucket {
  readonly pageviews: number;
  /** Undefined if the cell has registers. */
  readonly people: number | undefined;
  readonly bytes: string;
}

function differenceInBuckets(url: string, stored: ViewContents, made: ViewContents): string | undefined {
  const width = widthOf(stored.meta.bucketMinutes);
  const [before, after] = [basesOf(stored, url), basesOf(made, url)];
  for (const bucket of new Set([...before.keys(), ...after.keys()])) {
    const [a, b] = [before.get(bucket), after.get(bucket)];
    if (a?.pageviews === b?.pageviews && a?.bytes === b?.bytes) continue;
    return `the page ${url} has ${bucketText(a)} in the ${width.name} ${width.show(bucket)}; its facts say ${bucketText(b)}`;
  }
  return undefined;
}

function basesOf(view: ViewContents, url: string): Map<number, Bucket> {
  const { from, to } = allTimeOf(view.meta);
  const found = new Map<number, Bucket>();
  view.forEachBucket({ kind: 'page', url }, 'base', from, to, ({ bucket, pageviews, sketch }: BucketCell) => {
    const array = sketch.kind === 'coupons' ? sketch.coupons : sketch.registers;
    const bytes = Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString('latin1');
    const people = sketch.kind === 'coupons' ? sketch.coupons.length : undefined;
    found.set(bucket, { pageviews, people, bytes: `${sketch.kind} ${bytes}` });
  });
  return found;
}

function bucketText(bucket: Bucket | undefined): string {
  if (bucket === undefined) return 'nothing';
  return `${bucket.pageviews} pageviews of ${bucket.people ?? 'many'} people`;
}

function list(ids: readonly string[]): string {
  const shown = ids.slice(0, idsShown).join(', ');
  return ids.length > idsShown ? `${shown} and ${ids.length - idsShown} more` : shown;
}
