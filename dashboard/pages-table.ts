/** The busiest pages of the domain, with a way to look at one. */
import type { TopPage } from './answers.js';
import { h } from './dom.js';
import { count, interval } from './format.js';
import { RankedTable } from './ranked-table.js';

export class PagesTable {
  readonly #table = new RankedTable('pages-title', [
    { title: 'Pageviews' },
    { title: 'Visitors' },
    { title: '95 % interval', isWide: true },
  ]);
  readonly #onChoose: (url: string | undefined) => void;

  constructor(host: HTMLElement, onChoose: (url: string | undefined) => void) {
    this.#onChoose = onChoose;
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
      this.#table.element,
    );
  }

  update(pages: readonly TopPage[], chosen: string | undefined): void {
    const most = pages[0]?.pageviews ?? 1;
    const host = commonHost(pages);
    this.#table.update(
      host === '' ? 'Page' : `Page on ${host}`,
      pages.map((page) => {
        const { url, pageviews, visitors } = page;
        const isChosen = url === chosen;
        return {
          name: pathOf(url).slice(host.length),
          fullName: url,
          share: pageviews / most,
          cells: [count(pageviews), count(visitors), interval(page)],
          choice: { isChosen, choose: () => this.#onChoose(isChosen ? undefined : url) },
        };
      }),
      'No pageviews in this range.',
    );
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
