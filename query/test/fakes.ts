/** In-memory views for tests: the same facts, kept as plain lists, and the sketches made from them with the real library. */
import { HllSketch, coupon } from 'hyperloglog-ts';
import { offset, type LogId, type Offsets } from '../../log/log.js';
import { widthOf, type BucketMinutes, type BucketWidth, type Span } from '../../lib/time/buckets.js';
import { compareUtf8, type ExclusionRule } from '../../facts/fact.js';
import { domainOf } from '../../facts/url/domain.js';
import { SketchCell } from '../../facts/views/sketch-cell.js';
import type {
  BatchView,
  BucketCell,
  EdgeBlock,
  Gap,
  PageCount,
  RealtimeView,
  Subject,
  ValueCount,
  ViewId,
  VisitCell,
  WaitingEdge,
} from '../../facts/views/view.js';

export interface View {
  readonly visitor: string;
  readonly url: string;
  /** Its base bucket. */
  readonly hour: number;
  /** By name of the dimension. */
  readonly values?: Readonly<Record<string, string>>;
}

export const lgKSmall = 11;
/** Of views unless they say otherwise. */
export const hourly = widthOf(60);
export const { show } = hourly;

function keyOf(subject: Subject): string {
  const { kind } = subject;
  if (kind === 'page') return JSON.stringify([kind, subject.url]);
  const { domain } = subject;
  return JSON.stringify(
    kind === 'domain' ? [kind, domain] : [kind, domain, subject.dimension, subject.value],
  );
}

function subjectsOf({ url, values = {} }: View): Subject[] {
  const domain = domainOf(url);
  const named = Object.entries(values).map(([dimension, value]): Subject => ({
    kind: 'value',
    domain,
    dimension,
    value,
  }));
  return [{ kind: 'page', url }, { kind: 'domain', domain }, ...named];
}

/** By the key of their subject, in their order. */
function bySubject(views: readonly View[]): ReadonlyMap<string, readonly View[]> {
  const found = new Map<string, View[]>();
  for (const view of views) {
    for (const key of subjectsOf(view).map(keyOf)) {
      const members = found.get(key);
      if (members === undefined) found.set(key, [view]);
      else members.push(view);
    }
  }
  return found;
}

function cellOf(
  bucket: number,
  views: readonly View[],
  person: (id: string) => string,
  lgK: number,
): BucketCell {
  const sketch = new HllSketch({ lgK });
  for (const view of views) sketch.updateCoupon(coupon(person(view.visitor)));
  const registers = sketch.registers();
  return new SketchCell(
    bucket,
    views.length,
    registers === undefined
      ? { kind: 'coupons', coupons: sketch.coupons() ?? new Uint32Array() }
      : { kind: 'registers', registers },
  );
}

type CellsMeta = Pick<BatchView['meta'], 'lgK' | 'bucketMinutes'>;

/** Cells of a list of pageviews, made once and kept. */
class Cells {
  readonly #views: readonly View[];
  readonly #person: (id: string) => string;
  readonly #lgK: number;
  readonly #width: BucketWidth;
  readonly #kept = new Map<string, readonly BucketCell[]>();
  #bySubject: ReadonlyMap<string, readonly View[]> | undefined;
  reads = 0;

  constructor(views: readonly View[], person: (id: string) => string, meta: CellsMeta) {
    this.#views = views;
    this.#person = person;
    this.#lgK = meta.lgK;
    this.#width = widthOf(meta.bucketMinutes);
  }

  forEach(subject: Subject, span: Span, from: number, to: number, visit: (cell: BucketCell) => void): void {
    for (const cell of this.#cells(subject, span)) {
      if (cell.bucket < from || cell.bucket >= to) continue;
      this.reads++;
      visit(cell);
    }
  }

  pages(domain: string, keep: (view: View) => boolean): PageCount[] {
    return this.#counts(domain, keep, ({ url }) => url).map(([url, pageviews]) => ({ url, pageviews }));
  }

  values(dimension: string, domain: string, keep: (view: View) => boolean): ValueCount[] {
    return this.#counts(domain, keep, ({ values }) => values?.[dimension]).map(([value, pageviews]) => ({
      value,
      pageviews,
    }));
  }

  /** Ascending by name in UTF-8 byte order. */
  #counts(
    domain: string,
    keep: (view: View) => boolean,
    nameOf: (view: View) => string | undefined,
  ): [string, number][] {
    const counts = new Map<string, number>();
    for (const view of this.#views) {
      const name = nameOf(view);
      if (name === undefined || domainOf(view.url) !== domain || !keep(view)) continue;
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    return [...counts].toSorted(([a], [b]) => compareUtf8(a, b));
  }

  domains(): string[] {
    return [...new Set(this.#views.map((view) => domainOf(view.url)))].toSorted();
  }

  #cells(subject: Subject, span: Span): readonly BucketCell[] {
    const subjectKey = keyOf(subject);
    const key = `${span} ${subjectKey}`;
    const known = this.#kept.get(key);
    if (known !== undefined) return known;
    const buckets = new Map<number, View[]>();
    this.#bySubject ??= bySubject(this.#views);
    for (const view of this.#bySubject.get(subjectKey) ?? []) {
      const bucket = this.#width.bucketOf(span, view.hour);
      const members = buckets.get(bucket);
      if (members === undefined) buckets.set(bucket, [view]);
      else members.push(view);
    }
    const cells = [...buckets]
      .toSorted(([a], [b]) => a - b)
      .map(([bucket, views]) => cellOf(bucket, views, this.#person, this.#lgK));
    this.#kept.set(key, cells);
    return cells;
  }
}

export interface FakeOptions {
  readonly number?: number;
  readonly cut?: number;
  readonly lgK?: number;
  readonly bucketMinutes?: BucketMinutes;
  readonly maxPersonIds?: number;
  /** Before the cut; none by default. */
  readonly retractions?: number;
  readonly gaps?: readonly Gap[];
  /** In force; none by default. */
  readonly exclusions?: readonly ExclusionRule[];
  /** Visitor id to PersonID. */
  readonly mapping?: ReadonlyMap<string, string>;
  readonly visits?: ReadonlyMap<string, readonly VisitCell[]>;
}

const logId = 'test-log' as LogId;

function nextOf(cut: number, edges = 0): Offsets {
  return { 'pageviews/0': offset(cut), 'equivs/0': offset(edges) };
}

export function viewIdOf(number: number): ViewId {
  return `v${String(number).padStart(6, '0')}-test` as ViewId;
}

export class FakeBatchView implements BatchView {
  readonly meta: BatchView['meta'];
  readonly cells: Cells;
  readonly #mapping: ReadonlyMap<string, string>;
  readonly #visits: ReadonlyMap<string, readonly VisitCell[]>;
  readonly #exclusions: readonly ExclusionRule[];
  closed = false;

  constructor(views: readonly View[], options: FakeOptions = {}) {
    const number = options.number ?? 1;
    const { lgK = lgKSmall, bucketMinutes = 60 } = options;
    this.#mapping = options.mapping ?? new Map();
    this.#visits = options.visits ?? new Map();
    this.#exclusions = options.exclusions ?? [];
    this.cells = new Cells(views, (id) => this.personOf(id), { lgK, bucketMinutes });
    this.meta = {
      id: viewIdOf(number),
      number,
      createdAt: Date.UTC(2026, 0, 1),
      cut: { logId, next: nextOf(options.cut ?? views.length) },
      lgK,
      bucketMinutes,
      rules: { url: '1', domain: '1', bots: '1', dimensions: 'none' },
      maxPersonIds: options.maxPersonIds ?? 0,
      retractions: options.retractions ?? 0,
      gaps: options.gaps ?? [],
      codeVersion: 'test',
      contentHash: 'test',
      counts: {
        pageviews: views.length,
        pages: 0,
        domains: 0,
        values: Object.fromEntries(
          views.flatMap(({ values }) => Object.keys(values ?? {})).map((name) => [name, 0]),
        ),
        persons: 0,
        mappedIds: this.#mapping.size,
      },
    };
  }

  forEachBucket(
    subject: Subject,
    span: Span,
    from: number,
    to: number,
    visit: (cell: BucketCell) => void,
  ): void {
    this.cells.forEach(subject, span, from, to, visit);
  }

  forEachVisitBucket(domain: string, from: number, to: number, visit: (cell: VisitCell) => void): void {
    for (const cell of this.#visits.get(domain) ?? [])
      if (cell.bucket >= from && cell.bucket < to) visit(cell);
  }

  pages(domain: string): PageCount[] {
    return this.cells.pages(domain, () => true);
  }

  values(dimension: string, domain: string): Iterable<ValueCount> {
    return this.cells.values(dimension, domain, () => true);
  }

  domains(): string[] {
    return this.cells.domains();
  }

  personOf(visitor: string): string {
    return this.#mapping.get(visitor) ?? visitor;
  }

  exclusions(): readonly ExclusionRule[] {
    return this.#exclusions;
  }

  idCountOf(person: string): number {
    return this.idsOf(person).length;
  }

  idsOf(person: string, limit?: number): string[] {
    const joined = [...this.#mapping].filter(([, to]) => to === person).map(([id]) => id);
    return [...new Set([person, ...joined])].toSorted().slice(0, limit);
  }

  close(): void {
    this.closed = true;
  }
}

export interface FakeRealtimeOptions {
  readonly edges?: readonly WaitingEdge[];
  /** Edges besides those, beyond what is kept. */
  readonly equivs?: number;
  readonly retractions?: number;
  readonly exclusions?: number;
  readonly cut?: number;
}

export class FakeRealtimeView implements RealtimeView {
  readonly generation: ViewId;
  readonly cut: RealtimeView['cut'];
  readonly equivsAfterBatchCut: number;
  readonly retractionsAfterBatchCut: number;
  readonly exclusionsAfterBatchCut: number;
  readonly deadLetters = 0;
  readonly lastReceivedAt = Date.UTC(2026, 0, 2);
  readonly #cells: Cells;
  readonly #edges: readonly WaitingEdge[];
  released = 0;

  constructor(batch: FakeBatchView, views: readonly View[], options: FakeRealtimeOptions = {}) {
    this.generation = batch.meta.id;
    const base = batch.meta.cut.next['pageviews/0'] ?? 0;
    this.#edges = options.edges ?? [];
    const retractions = this.#edges.filter(({ type }) => type === 'retract').length;
    const edgesEnd = (this.#edges.at(-1)?.offset ?? -1) + 1;
    this.cut = { logId, next: nextOf(options.cut ?? base + views.length, edgesEnd) };
    this.equivsAfterBatchCut = this.#edges.length - retractions + (options.equivs ?? 0);
    this.retractionsAfterBatchCut = retractions + (options.retractions ?? 0);
    this.exclusionsAfterBatchCut = options.exclusions ?? 0;
    this.#cells = new Cells(views, (id) => batch.personOf(id), batch.meta);
  }

  /** Blocks of three. */
  *edges(from: Partial<Offsets> = {}): Generator<EdgeBlock> {
    for (let i = 0; i < this.#edges.length; i += 3) {
      const edges = this.#edges.slice(i, i + 3);
      const next = offset((edges.at(-1)?.offset ?? 0) + 1);
      if (next > (from['equivs/0'] ?? 0)) yield { partition: 'equivs/0', next, edges };
    }
  }

  forEachBucket(subject: Subject, from: number, to: number, visit: (cell: BucketCell) => void): void {
    this.#cells.forEach(subject, 'base', from, to, visit);
  }

  *pages(domain: string, from: number, to: number): Generator<readonly PageCount[]> {
    yield [];
    for (const page of this.#cells.pages(domain, (view) => view.hour >= from && view.hour < to)) yield [page];
  }

  *values(dimension: string, domain: string, from: number, to: number): Generator<readonly ValueCount[]> {
    yield [];
    for (const value of this.#cells.values(dimension, domain, (view) => view.hour >= from && view.hour < to))
      yield [value];
  }

  domains(): string[] {
    return this.#cells.domains();
  }

  release(): void {
    this.released++;
  }
}
