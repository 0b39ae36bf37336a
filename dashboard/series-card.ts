/** A card with one series: title, chart, and the same figures as a table, for readers who cannot or prefer not to use a chart. */
import { h, setAttributes } from './dom.js';
import type { Api } from './api.js';
import { bucketName, count, interval } from './format.js';
import { PanelFoot } from './panel-foot.js';
import { notesOn, SeriesChart, type ChartData, type ChartOptions, type ChartPoint } from './series-chart.js';

export interface SeriesCardOptions extends ChartOptions {
  readonly id: string;
  /** Text below the title. */
  readonly hint: string;
  readonly unit: string;
  readonly hasBounds: boolean;
}

export class SeriesCard {
  readonly foot: PanelFoot;
  readonly #options: SeriesCardOptions;
  readonly #chart: SeriesChart;
  readonly #chartBox: HTMLElement;
  readonly #tableBox: HTMLElement;
  readonly #body = h('tbody');
  readonly #toggle = h('button', { type: 'button', class: 'quiet', 'aria-pressed': 'false' }, 'Table');
  readonly #beforeKey: HTMLElement;
  #data: ChartData = { points: [], liveFrom: undefined };

  constructor(host: HTMLElement, api: Api, options: SeriesCardOptions) {
    this.#options = options;
    this.foot = new PanelFoot(api, options.name);
    const { id, name, hint, unit, hasBounds, kind } = options;
    this.#beforeKey = h('li', { class: `key ${kind} before`, hidden: true }, 'Period before');
    const legend = h(
      'ul',
      { class: 'legend', 'aria-label': 'Legend' },
      h('li', { class: `key ${kind}` }, 'Batch'),
      h('li', { class: `key ${kind} live` }, 'Live part'),
      h('li', { class: `key ${kind} running` }, 'Still running'),
      this.#beforeKey,
      hasBounds ? h('li', { class: 'key band' }, '95 % interval') : undefined,
    );
    this.#chartBox = h('div', {}, legend);
    const plot = h('div', { id: `${id}-chart` });
    this.#chartBox.append(plot);
    const head = h(
      'tr',
      {},
      h('th', { scope: 'col' }, 'Bucket'),
      h('th', { scope: 'col', class: 'number' }, unit),
      hasBounds ? h('th', { scope: 'col', class: 'number' }, '95 % interval') : undefined,
      h('th', { scope: 'col', class: 'number' }, 'Period before'),
      h('th', { scope: 'col' }, 'Note'),
    );
    this.#tableBox = h(
      'div',
      { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': `${name}, table`, hidden: true },
      h(
        'table',
        { id: `${id}-table` },
        h('caption', { class: 'unseen' }, name),
        h('thead', {}, head),
        this.#body,
      ),
    );
    setAttributes(this.#toggle, { 'aria-controls': `${id}-table`, id: `${id}-toggle` });
    this.#toggle.addEventListener('click', () => this.#showTable(Boolean(this.#tableBox.hidden)));
    const title = h('h2', { id: `${id}-title` }, name);
    host.replaceChildren(
      h('div', { class: 'card-head' }, h('div', {}, title, h('p', { class: 'hint' }, hint)), this.#toggle),
      this.#chartBox,
      this.#tableBox,
      this.foot.element,
    );
    this.#chart = new SeriesChart(plot, options);
  }

  update(data: ChartData): void {
    this.#data = data;
    this.#beforeKey.hidden = data.points.every(({ before }) => before === undefined);
    this.#chart.update(data);
    if (!this.#tableBox.hidden) this.#fillTable();
  }

  #showTable(isTable: boolean): void {
    this.#tableBox.hidden = !isTable;
    this.#chartBox.hidden = isTable;
    setAttributes(this.#toggle, { 'aria-pressed': String(isTable) });
    if (isTable) this.#fillTable();
  }

  #fillTable(): void {
    this.#body.replaceChildren(
      ...this.#data.points.filter((point) => point.phase !== 'ahead').map((point) => this.#row(point)),
    );
  }

  #row(point: ChartPoint): HTMLTableRowElement {
    return h(
      'tr',
      {},
      h('th', { scope: 'row' }, bucketName(point.label)),
      h('td', { class: 'number' }, count(point.value)),
      this.#options.hasBounds ? h('td', { class: 'number' }, interval(point)) : undefined,
      h('td', { class: 'number' }, point.before === undefined ? '–' : count(point.before.value)),
      h('td', {}, notesOn(point).join(', ')),
    );
  }
}
