/**
 * The realtime view of one partition while it is written: `Map<URL, SortedMap<hour, sketch>>` and the same for domains.
 * The store holds all of it, sorted; memory holds what was touched lately. Changes are made in memory and are either
 * committed together with the position they bring the view to, or discarded as if they had never been.
 *
 * Memory is bounded by turns, as in the deduplication window: what is touched goes into the young map; when that has
 * grown past half of the budget it becomes the old one, and the old one is let go. Nothing dirty is ever let go: turns
 * happen after a commit.
 */
import type { HllSketch } from 'hyperloglog-ts';
import type { Offset } from '../../lib/log/log.js';
import { CellEncoder, emptyCell, reviveCell, type Cell } from './cell-codec.js';
import { KeyWriter, isHashed, type CellSubject } from './cell-key.js';
import type { PartitionStore, Put } from './partition-store.js';
import type { Progress } from './store-meta.js';

/** What one epoch adds to the progress besides cells. */
interface Tally {
  pageviews: number;
  edges: number;
  deadLetters: number;
  lastReceivedAt: number;
  readonly refused: Map<string, number>;
}

/** What there is to note about records besides the cells they change. */
export interface PartitionNotes {
  readonly edges: number;
  readonly deadLetters: number;
  readonly refused: ReadonlyMap<string, number>;
  /** -1 for none. */
  readonly lastReceivedAt: number;
}

/** The hours of one subject that are in memory. */
class SubjectCells {
  readonly subject: CellSubject;
  readonly hours = new Map<number, Cell>();
  /** Hours changed since the last commit. */
  readonly dirty = new Set<number>();

  constructor(subject: CellSubject) {
    this.subject = subject;
  }
}

export class PartitionView {
  readonly #store: PartitionStore;
  readonly #lgK: number;
  readonly #turnBytes: number;
  readonly #keys = new KeyWriter();
  readonly #encoder = new CellEncoder();
  #young = new Map<string, SubjectCells>();
  #old = new Map<string, SubjectCells>();
  #youngBytes = 0;
  #dirty: SubjectCells[] = [];
  #tally = emptyTally();

  /** @param budgetBytes about how much memory the cells may take */
  constructor(store: PartitionStore, lgK: number, budgetBytes: number) {
    this.#store = store;
    this.#lgK = lgK;
    this.#turnBytes = budgetBytes / 2;
  }

  get progress(): Progress {
    return this.#store.progress;
  }

  /** Pageviews of one page: `hours[i]` and `coupons[i]` belong to the same one. */
  addPageviews(subject: CellSubject, hours: readonly number[], coupons: readonly number[]): void {
    const cells = this.#cellsOf(subject);
    if (cells.dirty.size === 0) this.#dirty.push(cells);
    let hour = -1;
    let cell: Cell | undefined;
    for (let i = 0; i < hours.length; i++) {
      const next = hours[i] ?? 0;
      if (cell === undefined || next !== hour) {
        hour = next;
        cell = this.#cell(cells, hour);
        cells.dirty.add(hour);
      }
      cell.pageviews++;
      if (cell.sketch.updateCoupon(coupons[i] ?? 0) && cell.sketch.isExact) this.#youngBytes += couponBytes;
    }
    if (subject.kind === 'page') this.#tally.pageviews += hours.length;
  }

  /** Edges, refused and set aside records, and the newest arrival among the records of a slice. */
  addNotes(notes: PartitionNotes): void {
    const tally = this.#tally;
    tally.edges += notes.edges;
    tally.deadLetters += notes.deadLetters;
    tally.lastReceivedAt = Math.max(tally.lastReceivedAt, notes.lastReceivedAt);
    for (const [reason, count] of notes.refused) {
      tally.refused.set(reason, (tally.refused.get(reason) ?? 0) + count);
    }
  }

  /** Makes all changes since the last commit durable, together with the position they belong to. */
  commit(next: Offset): void {
    this.#store.commit(this.#puts(), mergeTally(this.#store.progress, this.#tally, next));
    for (const cells of this.#dirty) cells.dirty.clear();
    this.#dirty = [];
    this.#encoder.reset();
    this.#tally = emptyTally();
    this.#turn();
  }

  /** Forgets all changes since the last commit. */
  discard(): void {
    for (const cells of this.#dirty) {
      for (const hour of cells.dirty) cells.hours.delete(hour);
      cells.dirty.clear();
    }
    this.#dirty = [];
    this.#tally = emptyTally();
  }

  #cellsOf(subject: CellSubject): SubjectCells {
    const name = subject.kind === 'page' ? subject.url : subject.domain; // no domain begins with 'http:' or 'https:'
    const young = this.#young.get(name);
    if (young !== undefined) return young;
    const cells = this.#old.get(name) ?? new SubjectCells(subject);
    this.#young.set(name, cells);
    this.#youngBytes += subjectBytes + 2 * name.length;
    for (const cell of cells.hours.values()) this.#youngBytes += cellBytes(cell.sketch);
    return cells;
  }

  #cell(cells: SubjectCells, hour: number): Cell {
    const known = cells.hours.get(hour);
    if (known !== undefined) return known;
    const stored = this.#store.get(this.#keys.cell(cells.subject, hour));
    const cell = stored === undefined ? emptyCell(this.#lgK) : reviveCell(stored, this.#lgK);
    cells.hours.set(hour, cell);
    this.#youngBytes += cellBytes(cell.sketch);
    return cell;
  }

  *#puts(): Generator<Put> {
    for (const { subject, dirty, hours } of this.#dirty) {
      const url = subject.kind === 'page' && isHashed(subject.url) ? subject.url : '';
      for (const hour of dirty) {
        const cell = hours.get(hour);
        if (cell === undefined) continue;
        yield { key: this.#keys.cell(subject, hour), value: this.#encoder.encode(cell, url) };
      }
    }
  }

  #turn(): void {
    if (this.#youngBytes < this.#turnBytes) return;
    this.#old = this.#young;
    this.#young = new Map();
    this.#youngBytes = 0;
  }
}

/** Rough sizes in memory, for the budget: a map entry with its objects, a person in a small sketch, a sketch by its form. */
const subjectBytes = 400;
const couponBytes = 8;

function cellBytes(sketch: HllSketch): number {
  return sketch.mode === 'registers' ? 2 ** sketch.lgK + 200 : 300;
}

function emptyTally(): Tally {
  return { pageviews: 0, edges: 0, deadLetters: 0, lastReceivedAt: -1, refused: new Map() };
}

function mergeTally(before: Progress, tally: Tally, next: Offset): Progress {
  const refused: Record<string, number> = { ...before.refused };
  for (const [reason, count] of tally.refused) refused[reason] = (refused[reason] ?? 0) + count;
  const lastReceivedAt = Math.max(before.lastReceivedAt ?? -1, tally.lastReceivedAt);
  return {
    next,
    lastReceivedAt: lastReceivedAt < 0 ? undefined : lastReceivedAt,
    pageviews: before.pageviews + tally.pageviews,
    edges: before.edges + tally.edges,
    deadLetters: before.deadLetters + tally.deadLetters,
    refused,
  };
}
