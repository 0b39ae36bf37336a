/** What a thread of a run does with facts: see each part. Threads are told the same plan and tables, and then get task after task. */
import { hourMs } from '../lib/time/buckets.js';
import {
  Dealer,
  type DealPlan,
  type Dealt,
  type FactTables,
  type RowGroup,
  type Survey,
} from './facts/dealer.js';
import { Kernel } from './kernel/kernel.js';
import { CellPass } from './sorts/cell-pass.js';
import type { SortJob, SortListener, SortResult, SortTables } from './sorts/sort-job.js';
import { VisitPass } from './sorts/visit-pass.js';

/** What one thread does, and what its owner tells all of them. */
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

export class FactWork {
  readonly #dealer: Dealer;
  #plan: DealPlan | undefined;
  #passes: { readonly cells: CellPass; readonly visits: VisitPass } | undefined;

  constructor(tables: FactTables) {
    this.#dealer = new Dealer(tables);
  }

  /** Throws `StarDamaged`. */
  do(task: Task | Order, listener: SortListener): Reply {
    if (task.type === 'survey') this.#dealer.survey(task.group);
    else if (task.type === 'surveyed') return { type: 'survey', survey: this.#dealer.surveyed() };
    else if (task.type === 'plan') this.#plan = task.plan;
    else if (task.type === 'tables') this.#prepare(task.tables);
    else if (task.type === 'sort') return { type: 'sorted', result: this.#sort(task.job, listener) };
    else if (this.#plan !== undefined)
      return { type: 'dealt', dealt: this.#dealer.deal(task.group, this.#plan, task.spillPath) };
    return { type: 'done' };
  }

  #prepare(tables: SortTables): void {
    const kernel = new Kernel(tables.hours, { lgK: tables.lgK, hourMs });
    this.#passes = { cells: new CellPass(tables, kernel), visits: new VisitPass(tables, kernel) };
  }

  #sort(job: SortJob, listener: SortListener): SortResult {
    if (this.#passes === undefined) throw new Error('a job came before its tables');
    const { cells, visits } = this.#passes;
    return job.kind === 'visits' ? visits.run(job, listener) : cells.run(job, job.kind, listener);
  }
}
