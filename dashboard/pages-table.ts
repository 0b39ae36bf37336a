/** The busiest pages of the domain, with a way to look at one. Rows are kept by position, so focus survives a refresh. */
import type { TopPage } from './answers.js';
import { h, setAttributes, setText } from './dom.js';
import { count } from './format.js';

interface Row {
  readonly element: HTMLTableRowElement;
  show(page: TopPage, name: string, isChosen: boolean, most: number): void;
}

export class PagesTable {
  readonly #body = h('tbody');
  readonly #heading = h('th', { scope: 'col' }, 'Page');
  readonly #empty = h('p', { class: 'empty', hidden: true }, 'No pageviews in this range.');
  readonly #table: HTMLTableElement;
  readonly #onChoose: (url: string | undefined) => void;
  #rows: readonly Row[] = [];

  constructor(host: HTMLElement, onChoose: (url: string | undefined) => void) {
    this.#onChoose = onChoose;
    this.#table = h(
      'table',
      { class: 'pages', 'aria-labelledby': 'pages-title' },
      h(
        'thead',
        {},
        h(
          'tr',
          {},
          this.#heading,
          h('th', { scope: 'col', class: 'number' }, 'Pageviews'),
          h('th', { scope: 'col', class: 'number' }, 'Visitors'),
          h('th', { scope: 'col', class: 'number wide-only' }, '95 % interval'),
        ),
      ),
      this.#body,
    );
    host.replaceChildren(
      h(
        'div',
        { class: 'card-head' },
        h(
          'div',
          {},
          h('h2', { id: 'pages-title' }, 'Top pages'),
          h('p', { class: 'hint' }, 'Choose a page to see it alone. Its visitors may be on other pages too.'),
        ),
      ),
      this.#table,
      this.#empty,
    );
  }

  update(pages: readonly TopPage[], chosen: string | undefined): void {
    this.#empty.hidden = pages.length > 0;
    this.#table.hidden = pages.length === 0;
    if (this.#rows.length !== pages.length) {
      const kept = this.#rows.slice(0, pages.length);
      this.#rows = [...kept, ...pages.slice(kept.length).map(() => this.#newRow())];
      this.#body.replaceChildren(...this.#rows.map((row) => row.element));
    }
    const most = pages[0]?.pageviews ?? 1;
    const host = commonHost(pages);
    setText(this.#heading, host === '' ? 'Page' : `Page on ${host}`);
    for (const [i, page] of pages.entries()) {
      const name = pathOf(page.url).slice(host.length);
      this.#rows[i]?.show(page, name, page.url === chosen, most);
    }
  }

  #newRow(): Row {
    const name = h('button', { type: 'button', class: 'link' });
    const [views, visitors, interval] = [0, 1, 2].map((i) =>
      h('td', { class: i === 2 ? 'number wide-only' : 'number' }),
    );
    const bar = h('span', { class: 'bar', 'aria-hidden': 'true' });
    const element = h('tr', {}, h('th', { scope: 'row' }, bar, name), views, visitors, interval);
    let url = '';
    let chosen = false;
    name.addEventListener('click', () => this.#onChoose(chosen ? undefined : url));
    return {
      element,
      show: (page, shownName, isChosen, most) => {
        url = page.url;
        chosen = isChosen;
        setText(name, shownName);
        setAttributes(name, { 'aria-pressed': String(isChosen), title: page.url });
        if (views !== undefined) setText(views, count(page.pageviews));
        if (visitors !== undefined) setText(visitors, count(page.visitors));
        const bounds = page.exact ? 'exact' : `${count(page.lower)} – ${count(page.upper)}`;
        if (interval !== undefined) setText(interval, bounds);
        bar.style.setProperty('--share', String(page.pageviews / most));
      },
    };
  }
}

/** Host and path without the scheme: what tells the pages of a domain apart. */
export function pathOf(url: string): string {
  return url.replace(/^https?:\/\//, '');
}

/** The host all pages share, or '' when they do not. */
function commonHost(pages: readonly TopPage[]): string {
  const hosts = new Set(pages.map(({ url }) => new URL(url).host));
  const [host] = hosts;
  return hosts.size === 1 && host !== undefined ? host : '';
}
