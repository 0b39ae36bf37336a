/**
 * The values of one dimension of the domain, by visitors. The server lists the dimensions, and each is a tab. The panel follows the ARIA tabs
 * pattern: one tab is in the tab order, arrow keys move to the others and select them.
 */
import type { Breakdown, Dimension } from './answers.js';
import type { Api } from './api.js';
import { h, setAttributes, setText } from './dom.js';
import { count, interval } from './format.js';
import { PanelFoot } from './panel-foot.js';
import { RankedTable } from './ranked-table.js';

const emptyTexts: Readonly<Record<string, string>> = {
  'no-values-in-range': 'No pageview in this range has a value here.',
  'dimension-not-counted-yet': 'Not counted yet: the next batch run counts it over all history.',
};

export class BreakdownPanel {
  readonly foot: PanelFoot;
  readonly #host: HTMLElement;
  readonly #tabs = h('div', { class: 'tabs', role: 'tablist', 'aria-labelledby': 'breakdown-title' });
  readonly #hint = h('p', { class: 'hint', id: 'breakdown-hint' });
  readonly #more = h('p', { class: 'hint', hidden: true });
  readonly #panel = h('div', { role: 'tabpanel', id: 'breakdown-panel', tabindex: 0 });
  readonly #table = new RankedTable('breakdown-title', [
    { title: 'Visitors' },
    { title: 'Pageviews' },
    { title: '95 % interval', isWide: true },
  ]);
  readonly #onChoose: (dimension: string) => void;
  #dimensions: readonly Dimension[] = [];
  #chosen: Dimension | undefined;

  constructor(host: HTMLElement, api: Api, onChoose: (dimension: string) => void) {
    this.foot = new PanelFoot(api, 'Breakdown');
    this.#host = host;
    this.#onChoose = onChoose;
    this.#panel.append(this.#table.element, this.#more);
    const title = h('h2', { id: 'breakdown-title' }, 'Breakdown');
    host.replaceChildren(
      h('div', { class: 'card-head' }, h('div', {}, title, this.#hint)),
      this.#tabs,
      this.#panel,
      this.foot.element,
    );
    this.#tabs.addEventListener('keydown', (event) => this.#key(event));
  }

  /** Shows the tabs and the chosen one. Rows of another dimension are pale until the new ones arrive. */
  show(dimensions: readonly Dimension[], chosen: Dimension | undefined, isPage: boolean): void {
    this.#host.hidden = chosen === undefined;
    if (chosen === undefined) return;
    if (JSON.stringify(dimensions) !== JSON.stringify(this.#dimensions)) this.#makeTabs(dimensions);
    if (chosen.name !== this.#chosen?.name) setAttributes(this.#panel, { 'data-stale': true });
    this.#chosen = chosen;
    for (const tab of this.#tabs.querySelectorAll('button')) {
      const isChosen = tab.id === tabId(chosen);
      setAttributes(tab, { 'aria-selected': String(isChosen), tabindex: isChosen ? 0 : -1 });
    }
    setAttributes(this.#panel, { 'aria-labelledby': tabId(chosen) });
    setText(this.#hint, `${chosen.title}.${isPage ? ' Of the whole domain, not of the page alone.' : ''}`);
  }

  update({ data, accuracy }: Breakdown): void {
    const { values, more, others, by, emptyReason } = data;
    if (by !== this.#chosen?.name) return;
    setAttributes(this.#panel, { 'data-stale': undefined });
    const most = Math.max(1, values[0]?.visitors ?? 1);
    this.#table.update(
      this.#chosen.label,
      values.map((value) => ({
        name: value.value,
        share: value.visitors / most,
        cells: [count(value.visitors), count(value.pageviews), interval(value)],
      })),
      emptyTexts[emptyReason ?? ''] ?? 'No pageviews in this range.',
    );
    this.#more.hidden = !more;
    setText(
      this.#more,
      `The ${count(values.length)} with the most visitors; ${moreText(others, accuracy.ranked)}.`,
    );
  }

  #makeTabs(dimensions: readonly Dimension[]): void {
    this.#dimensions = dimensions;
    this.#tabs.replaceChildren(
      ...dimensions.map((dimension) => {
        const tab = h(
          'button',
          { type: 'button', role: 'tab', id: tabId(dimension), 'aria-controls': 'breakdown-panel' },
          dimension.label,
        );
        tab.addEventListener('click', () => this.#onChoose(dimension.name));
        return tab;
      }),
    );
  }

  #key(event: KeyboardEvent): void {
    const tabs = [...this.#tabs.querySelectorAll('button')];
    const at = tabs.findIndex((tab) => tab === document.activeElement);
    const next = {
      ArrowRight: (at + 1) % tabs.length,
      ArrowLeft: (at - 1 + tabs.length) % tabs.length,
      Home: 0,
      End: tabs.length - 1,
    }[event.key];
    const tab = next === undefined ? undefined : tabs[next];
    if (at < 0 || tab === undefined) return;
    event.preventDefault();
    tab.focus();
    tab.click();
  }
}

function moreText({ atLeast, atMost }: Breakdown['data']['others'], ranked: string): string {
  if (ranked === 'part') return 'there are too many to look at all, and some of the others may have more';
  if (atLeast === 0) return 'there may be more';
  return atLeast === atMost
    ? `there are ${count(atLeast)} more`
    : `there are at least ${count(atLeast)} more`;
}

function tabId({ name }: Dimension): string {
  return `breakdown-${name}`;
}
