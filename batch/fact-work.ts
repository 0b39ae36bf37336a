/**
 * The work of a thread on facts: survey, deal and sort (see the modules in arrays/). All threads receive the same plan and tables, and then
 * tasks.
 */
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { readInto } from '../lib/files/read-at.js';
import type { StarFacts } from '../master-data/star/star.js';
import { Dealer, type DealPlan, type FactTables, type GroupRows, type Survey } from './arrays/dealer.js';
import type { DealtBlock } from './arrays/dealt.js';
import { readPageviews, type TextColumnName } from './facts/repeats.js';
import { CellPass } from './arrays/cell-pass.js';
import { DimensionPass } from './arrays/dimension-pass.js';
import type { SortJob, SortListener, SortResult, SortTables } from './arrays/sort-job.js';
import { sortTools } from './arrays/sort-tools.js';
import { VisitPass } from './arrays/visit-pass.js';

export interface WorkTables extends FactTables {
  /** Columns of the texts that dimensions read; facts contain their numbers, in this order. */
  readonly texts: readonly TextColumnName[];
}

/** A row group of a file of pageviews. */
export interface RowGroup extends GroupRows {
  readonly facts: StarFacts;
  readonly group: number;
}

export interface Dealt {
  readonly block: DealtBlock;
  /** Number of rows by verdict. */
  readonly rowsWith: readonly number[];
}

/** Tasks are for one thread, orders for all threads. */
export type Task =
  | { readonly type: 'survey'; readonly group: RowGroup }
  | { readonly type: 'deal'; readonly group: RowGroup; readonly spillPath: string | undefined }
  | { readonly type: 'sort'; readonly job: SortJob };
export type Order =
  | { readonly type: 'surveyed' }
  | { readonly type: 'plan'; readonly plan: DealPlan }
  | { readonly type: 'tables'; readonly tables: SortTables };

export type Reply =
  | { readonly type: 'survey'; readonly survey: Survey }
  | { readonly type: 'dealt'; readonly dealt: Dealt }
  | { readonly type: 'sorted'; readonly result: SortResult }
  | { readonly type: 'done' };

interface Passes {
  readonly tables: SortTables;
  readonly cells: CellPass;
  readonly dimensions: DimensionPass;
  readonly visits: VisitPass;
}

export class FactWork {
  readonly #dealer: Dealer;
  readonly #texts: WorkTables['texts'];
  readonly #readsImports: boolean;
  #plan: DealPlan | undefined;
  #passes: Passes | undefined;

  constructor(tables: WorkTables) {
    this.#dealer = new Dealer(tables);
    this.#texts = tables.texts;
    this.#readsImports = tables.excluded?.imports !== undefined;
  }

  /** Throws `StarDamaged`. */
  do(task: Task | Order, listener: SortListener): Reply {
    if (task.type === 'survey') this.#survey(task.group);
    else if (task.type === 'surveyed') return { type: 'survey', survey: this.#dealer.surveyed() };
    else if (task.type === 'plan') this.#plan = task.plan;
    else if (task.type === 'tables') this.#prepare(task.tables);
    else if (task.type === 'sort') return { type: 'sorted', result: this.#sort(task.job, listener) };
    else return { type: 'dealt', dealt: this.#deal(task.group, task.spillPath) };
    return { type: 'done' };
  }

  #survey({ facts, group, rows }: RowGroup): void {
    this.#dealer.survey(readPageviews(facts, group, [], false), rows);
  }

  /** @param spillPath file for the facts; undefined: they stay in shared memory */
  #deal(group: RowGroup, spillPath: string | undefined): Dealt {
    if (this.#plan === undefined) throw new Error('facts arrived before their plan');
    const columns = readPageviews(group.facts, group.group, this.#texts, this.#readsImports);
    const memory = spillPath === undefined ? SharedArrayBuffer : ArrayBuffer;
    const makeWords = (count: number): Uint32Array => new Uint32Array(new memory(4 * count));
    const { words, rowsWith, ...places } = this.#dealer.deal(columns, group, this.#plan, makeWords);
    if (spillPath !== undefined) writeFileSync(spillPath, words);
    const facts = spillPath ?? (words.buffer as SharedArrayBuffer); // allocated by `makeWords`
    return { block: { facts, ...places }, rowsWith };
  }

  #prepare(tables: SortTables): void {
    const tools = sortTools(tables, readFacts);
    this.#passes = {
      tables,
      cells: new CellPass(tools),
      dimensions: new DimensionPass(tools),
      visits: new VisitPass(tools),
    };
  }

  #sort(job: SortJob, listener: SortListener): SortResult {
    if (this.#passes === undefined) throw new Error('a job arrived before its tables');
    const { tables, cells, dimensions, visits } = this.#passes;
    if (job.kind === 'visits') return visits.run(job, listener);
    if (job.kind === 'pages' || job.kind === 'domains') return cells.run(job, job.kind, listener);
    const table = tables.dimensions[job.kind];
    if (table === undefined) throw new RangeError(`there is no dimension ${job.kind}`);
    return dimensions.run(job, table, listener);
  }
}

function readFacts(path: string, position: number, into: Uint8Array): void {
  const fd = openSync(path, 'r');
  try {
    if (readInto(fd, position, into) < into.length) throw new RangeError(`${path} ends early`);
  } finally {
    closeSync(fd);
  }
}
