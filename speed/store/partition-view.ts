/**
 * The realtime view of one partition while it is written: `Map<URL, SortedMap<hour, sketch>>` and the same for domains.
 * The store holds all of it, sorted; memory holds the cells that were touched lately. Changes are made in memory and
 * are either committed together with the position they bring the view to, or discarded as if they had never been.
 */
import { HllSketch } from 'hyperloglog-ts';
import type { Offset } from '../../lib/log/log.js';
import { Cell, type CellSubject, type Era } from './cell.js';
import { CellEncoder, decodeCell, sketchOf } from './cell-codec.js';
import { KeyWriter, isHashed } from './cell-key.js';
import type { PartitionStore, Put } from './partition-store.js';
import type { Progress } from './store-meta.js';

/** Views of subjects by people, some time in these hours: what is at one index belongs together. */
export interface SliceViews {
  readonly subjects: readonly CellSubject[];
  readonly hours: readonly number[];
  readonly coupons: readonly number[];
}

/** What there is to note about records besides the cells they change. */
export interface PartitionNotes {
  readonly equivs: number;
  readonly retractions: number;
  readonly deadLetters: number;
  readonly refused: ReadonlyMap<string, number>;
  /** -1 for none. */
  readonly lastReceivedAt: number;
}

export class PartitionView {
  readonly #store: PartitionStore;
  readonly #lgK: number;
  #turnBytes = Infinity;
  readonly #keys = new KeyWriter();
  readonly #encoder: CellEncoder;
  /**
   * By URL or domain: the hours in memory, the one that came last first. Two maps take turns: what is used moves to the
   * young one; when that has grown heavy it becomes the old one, and the old one is let go.
   */
  #young = new Map<string, Cell>();
  #old = new Map<string, Cell>();
  /** Since the last turn, or what else makes cells in memory worthless. */
  #era: Era = Symbol('era');
  #dirty: Cell[] = [];
  /** Of the cells since the last turn, roughly. */
  #bytes = 0;
  /** True as long as the store holds nothing that memory does not: then a cell not in memory is a new one. */
  #complete: boolean;
  #tally = emptyTally();

  constructor(store: PartitionStore, lgK: number) {
    this.#store = store;
    this.#lgK = lgK;
    this.#encoder = new CellEncoder(lgK);
    this.#complete = store.isEmpty;
  }

  get progress(): Progress {
    return this.#store.progress;
  }

  /** From now on cells take about this much memory at most. */
  limitMemory(bytes: number): void {
    this.#turnBytes = bytes / 2;
  }

  /** Adds the pageviews at these rows. */
  addPageviews({ subjects, hours, coupons }: SliceViews, rows: readonly number[]): void {
    for (const i of rows) {
      const subject = subjects[i];
      if (subject === undefined) break;
      const cell = this.#cell(subject, hours[i] ?? 0);
      if (!cell.isDirty) {
        cell.isDirty = true;
        this.#dirty.push(cell);
      }
      cell.pageviews++;
      if (cell.sketch.updateCoupon(coupons[i] ?? 0) && cell.sketch.isExact) this.#bytes += couponBytes;
      if (subject.kind === 'page') this.#tally.pageviews++;
    }
  }

  /** Edges, refused and set aside records, and the newest arrival among the records of a slice. */
  addNotes(notes: PartitionNotes): void {
    const tally = this.#tally;
    tally.equivs += notes.equivs;
    tally.retractions += notes.retractions;
    tally.deadLetters += notes.deadLetters;
    tally.lastReceivedAt = Math.max(tally.lastReceivedAt, notes.lastReceivedAt);
    for (const [reason, count] of notes.refused) {
      tally.refused.set(reason, (tally.refused.get(reason) ?? 0) + count);
    }
  }

  /** Makes all changes since the last commit durable, together with the position they belong to. */
  commit(next: Offset): void {
    for (const { hour } of this.#dirty) {
      this.#tally.fromHour = Math.min(this.#tally.fromHour, hour);
      this.#tally.toHour = Math.max(this.#tally.toHour, hour + 1);
    }
    this.#store.commit(this.#puts(), mergeTally(this.#store.progress, this.#tally, next));
    for (const cell of this.#dirty) cell.isDirty = false;
    this.#dirty = [];
    this.#tally = emptyTally();
    if (this.#bytes >= this.#turnBytes) this.#turn();
  }

  /** Forgets all changes since the last commit, and with them the cells in memory: the store has them as they were. */
  discard(): void {
    this.#dirty = [];
    this.#tally = emptyTally();
    this.#young = new Map();
    this.#old = new Map();
    this.#era = Symbol('era');
    this.#bytes = 0;
    this.#complete = this.#store.isEmpty;
  }

  #cell(subject: CellSubject, hour: number): Cell {
    const { recent } = subject;
    if (recent !== undefined && recent.hour === hour && recent.era === this.#era) return recent;
    const cell = this.#find(subject, hour);
    cell.era = this.#era;
    subject.recent = cell;
    return cell;
  }

  #find(subject: CellSubject, hour: number): Cell {
    const { name } = subject; // no domain begins with 'http:' or 'https:', so pages and domains can share the map
    let first = this.#young.get(name);
    if (first === undefined) {
      first = this.#old.get(name);
      if (first !== undefined) this.#young.set(name, first);
    }
    for (let cell = first; cell !== undefined; cell = cell.next) if (cell.hour === hour) return cell;
    const made = this.#load(subject, hour, first);
    this.#young.set(name, made);
    return made;
  }

  #load(subject: CellSubject, hour: number, next: Cell | undefined): Cell {
    this.#bytes += cellBytes;
    const stored = this.#complete ? undefined : this.#store.get(this.#keys.cell(subject, hour));
    if (stored === undefined)
      return new Cell(subject, hour, 0, new HllSketch({ lgK: this.#lgK }), next, this.#era);
    this.#bytes += stored.length;
    const { pageviews, sketch } = decodeCell(stored);
    return new Cell(subject, hour, pageviews, sketchOf(sketch, this.#lgK), next, this.#era);
  }

  *#puts(): Generator<Put> {
    for (const { subject, hour, pageviews, sketch } of this.#dirty) {
      const url = isHashed(subject.name) ? subject.name : '';
      yield { key: this.#keys.cell(subject, hour), value: this.#encoder.encode(pageviews, sketch, url) };
    }
  }

  /** Only after a commit, so that nothing dirty is let go. */
  #turn(): void {
    this.#old = this.#young;
    this.#young = new Map();
    this.#era = Symbol('era');
    this.#bytes = 0;
    this.#complete = false;
  }
}

/** Rough sizes in memory: a cell with its sketch, map entry and subject; a person in a small sketch. */
const cellBytes = 500;
const couponBytes = 8;

/** What an epoch adds to the progress. */
interface Tally {
  pageviews: number;
  fromHour: number;
  toHour: number;
  equivs: number;
  retractions: number;
  deadLetters: number;
  lastReceivedAt: number;
  readonly refused: Map<string, number>;
}

function emptyTally(): Tally {
  return {
    pageviews: 0,
    fromHour: Infinity,
    toHour: 0,
    equivs: 0,
    retractions: 0,
    deadLetters: 0,
    lastReceivedAt: -1,
    refused: new Map(),
  };
}

function mergeTally(before: Progress, tally: Tally, next: Offset): Progress {
  const refused: Record<string, number> = { ...before.refused };
  for (const [reason, count] of tally.refused) refused[reason] = (refused[reason] ?? 0) + count;
  const lastReceivedAt = Math.max(before.lastReceivedAt ?? -1, tally.lastReceivedAt);
  const fromHour = Math.min(before.toHour === 0 ? Infinity : before.fromHour, tally.fromHour);
  return {
    next,
    lastReceivedAt: lastReceivedAt < 0 ? undefined : lastReceivedAt,
    pageviews: before.pageviews + tally.pageviews,
    fromHour: fromHour === Infinity ? 0 : fromHour,
    toHour: Math.max(before.toHour, tally.toHour),
    equivs: before.equivs + tally.equivs,
    retractions: before.retractions + tally.retractions,
    deadLetters: before.deadLetters + tally.deadLetters,
    refused,
  };
}
