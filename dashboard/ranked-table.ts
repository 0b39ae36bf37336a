/**
 * A list of names with figures, largest first. A bar behind each name shows its share of the largest. Rows are reused by position, so the focus
 * survives a refresh.
 */
import { h, setAttributes, setText } from './dom.js';

export interface Column {
  readonly title: string;
  /** Hidden on narrow screens. */
  readonly isWide?: boolean;
}

export interface RankedRow {
  readonly name: string;
  /** The full name, if `name` is shortened. */
  readonly fullName?: string;
  /** Share of the largest value, 0 to 1. */
  readonly share: number;
  /** One text per column. */
  readonly cells: readonly string[];
  /** Set if the row can be selected. */
  readonly choice?: { readonly isChosen: boolean; readonly choose: () => void };
}

interface ShownRow {
  readonly element: HTMLTableRowElement;
  show(row: RankedRow): void;
}

export class RankedTable {
  readonly element: HTMLElement;
  readonly #columns: readonly Column[];
  readonly #body = h('tbody');
  readonly #heading = h('th', { scope: 'col' });
  readonly #empty = h('p', { class: 'empty', hidden: true });
  readonly #table: HTMLTableElement;
  #rows: readonly ShownRow[] = [];

  /** @param labelledBy id of the element that names the table */
  constructor(labelledBy: string, columns: readonly Column[]) {
    this.#columns = columns;
    const head = columns.map((column) => h('th', { scope: 'col', class: classOf(column) }, column.title));
    this.#table = h(
      'table',
      { class: 'ranked', 'aria-labelledby': labelledBy },
      h('thead', {}, h('tr', {}, this.#heading, ...head)),
      this.#body,
    );
    this.element = h('div', {}, this.#table, this.#empty);
  }

  /** @param empty text to show if there are no rows */
  update(heading: string, rows: readonly RankedRow[], empty: string): void {
    setText(this.#heading, heading);
    setText(this.#empty, empty);
    this.#empty.hidden = rows.length > 0;
    this.#table.hidden = rows.length === 0;
    if (this.#rows.length !== rows.length) {
      const kept = this.#rows.slice(0, rows.length);
      this.#rows = [...kept, ...rows.slice(kept.length).map(() => shownRow(this.#columns))];
      this.#body.replaceChildren(...this.#rows.map((row) => row.element));
    }
    for (const [i, row] of rows.entries()) this.#rows[i]?.show(row);
  }
}

function shownRow(columns: readonly Column[]): ShownRow {
  const text = h('span', { class: 'name' });
  const button = h('button', { type: 'button', class: 'link name', hidden: true });
  const bar = h('span', { class: 'bar', 'aria-hidden': 'true' });
  const cells = columns.map((column) => h('td', { class: classOf(column) }));
  const element = h('tr', {}, h('th', { scope: 'row' }, bar, text, button), ...cells);
  let shown: RankedRow | undefined;
  button.addEventListener('click', () => shown?.choice?.choose());
  return {
    element,
    show: (row) => {
      shown = row;
      const { name, fullName, share, choice } = row;
      text.hidden = choice !== undefined;
      button.hidden = choice === undefined;
      setText(choice === undefined ? text : button, name);
      setAttributes(choice === undefined ? text : button, { title: fullName });
      setAttributes(button, { 'aria-pressed': choice === undefined ? undefined : String(choice.isChosen) });
      for (const [i, cell] of cells.entries()) setText(cell, row.cells[i] ?? '');
      bar.style.setProperty('--share', String(share));
    },
  };
}

function classOf({ isWide }: Column): string {
  return isWide === true ? 'number wide-only' : 'number';
}
