/** The top pages of the domain; selecting one shows only that page. */
import type { TopPage } from './answers.js';
import type { Api } from './api.js';
import { h } from './dom.js';
import { count, interval } from './format.js';
import { PanelFoot } from './panel-foot.js';
import { RankedTable } from './ranked-table.js';
import { listed } from './readable-url.js';

export class PagesTable {
  readonly foot: PanelFoot;
  readonly #table = new RankedTable('pages-title', [
    { title: 'Pageviews' },
    { title: 'Visitors' },
    { title: '95 % interval', isWide: true },
  ]);
  readonly #onChoose: (url: string | undefined) => void;

  constructor(host: HTMLElement, api: Api, onChoose: (url: string | undefined) => void) {
    this.foot = new PanelFoot(api, 'Top pages');
    this.#onChoose = onChoose;
    host.replaceChildren(
      h(
        'div',
        { class: 'card-head' },
        h(
          'div',
          {},
          h('h2', { id: 'pages-title' }, 'Top pages'),
          h(
            'p',
            { class: 'hint' },
            'Choose a page to see only that page. Its visitors may have seen other pages too.',
          ),
        ),
      ),
      this.#table.element,
      this.foot.element,
    );
  }

  update(pages: readonly TopPage[], chosen: string | undefined): void {
    const most = pages[0]?.pageviews ?? 1;
    const { heading, names } = listed(pages.map(({ url }) => url));
    this.#table.update(
      heading,
      pages.map((page, i) => {
        const { url, pageviews, visitors } = page;
        const isChosen = url === chosen;
        return {
          name: names[i] ?? url,
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
