/** From the collector's dictionaries, numbered as things appeared, to sort jobs in key order. */
import { compareUtf8 } from '../lib/facts/fact.js';
import { textKey } from '../serving/index-file.js';
import type { FactCollector } from './collector.js';
import type { FactStoreHandle } from './fact-store.js';
import { orderHours } from './hour-order.js';
import type { JobKind, SortJob } from './sort-job.js';

/** Names by rank. */
export interface Names {
  readonly pages: readonly string[];
  readonly domains: readonly string[];
  /** Domain rank by page rank. */
  readonly domainOfPage: Uint32Array;
}

export interface SortJobOptions {
  readonly lgK: number;
  readonly rowsPerRange: number;
  readonly cellsPath: (kind: 'pages' | 'domains') => string;
}

export function makeSortJobs(
  collector: FactCollector,
  facts: FactStoreHandle,
  options: SortJobOptions,
): { readonly jobs: readonly SortJob[]; readonly names: Names } {
  const pageRank = ranksOf(collector.pages, comparePageKeys);
  const domainRank = ranksOf(collector.domains, compareUtf8);
  const domainOfPageNumber = Uint32Array.from(collector.domainOfPage, (domain) => domainRank[domain] ?? 0);
  const hours = orderHours(collector.hours);
  const { lgK, rowsPerRange } = options;
  const job = (kind: JobKind, majorOfPage: Uint32Array, majors: number): SortJob => ({
    kind,
    facts,
    majorOfPage,
    majorRows: rowsByMajor(collector, majorOfPage, majors),
    hours,
    persons: collector.personNumbers,
    lgK,
    cellsPath: kind === 'visits' ? '' : options.cellsPath(kind),
    rowsPerRange,
  });
  const domainCount = collector.domains.length;
  return {
    jobs: [
      job('pages', pageRank, collector.pages.length),
      job('domains', domainOfPageNumber, domainCount),
      job('visits', domainOfPageNumber, domainCount),
    ],
    names: {
      pages: inOrder(collector.pages, pageRank),
      domains: inOrder(collector.domains, domainRank),
      domainOfPage: permuted(domainOfPageNumber, pageRank),
    },
  };
}

/** Normalised URLs are ASCII, so plain string order is the order of their keys but for the few that are cut. */
function comparePageKeys(a: string, b: string): number {
  if (a.length <= 1900 && b.length <= 1900) return a < b ? -1 : a > b ? 1 : 0;
  return Buffer.compare(textKey(a), textKey(b));
}

/** Rank of each item in the order of `compare`. */
function ranksOf<T>(items: readonly T[], compare: (a: T, b: T) => number): Uint32Array {
  const order = items.map((item, number) => ({ item, number })).toSorted((a, b) => compare(a.item, b.item));
  const ranks = new Uint32Array(items.length);
  order.forEach(({ number }, rank) => (ranks[number] = rank));
  return ranks;
}

function inOrder(items: readonly string[], ranks: Uint32Array): string[] {
  const ordered = Array.from<string>({ length: items.length });
  items.forEach((item, number) => (ordered[ranks[number] ?? 0] = item));
  return ordered;
}

function permuted(values: Uint32Array, ranks: Uint32Array): Uint32Array {
  const result = new Uint32Array(values.length);
  values.forEach((value, number) => (result[ranks[number] ?? 0] = value));
  return result;
}

function rowsByMajor(collector: FactCollector, majorOfPage: Uint32Array, majors: number): Float64Array {
  const rows = new Float64Array(majors);
  majorOfPage.forEach((major, page) => (rows[major] = (rows[major] ?? 0) + (collector.pageviews[page] ?? 0)));
  return rows;
}
