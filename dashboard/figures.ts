/** The totals of the range as large figures, each with its accuracy. */
import type { Pageviews, Uniques, Visits } from './answers.js';
import type { Api } from './api.js';
import { h, setText } from './dom.js';
import { count, share, stay, twoDigits } from './format.js';
import { PanelFoot } from './panel-foot.js';

class Figure {
  readonly element: HTMLElement;
  readonly #value: HTMLElement;
  readonly #detail: HTMLElement;
  readonly #before = h('p', { class: 'detail', hidden: true });

  constructor(id: string, title: string) {
    this.#value = h('p', { class: 'value', id: `${id}-value` }, '–');
    this.#detail = h('p', { class: 'detail', id: `${id}-detail` }, '\u00a0');
    this.element = h(
      'article',
      { class: 'card figure' },
      h('h2', {}, title),
      this.#value,
      this.#detail,
      this.#before,
    );
  }

  /** @param before value of the period before */
  show(value: string, detail: string, before?: string): void {
    this.#before.hidden = before === undefined;
    setText(this.#before, before === undefined ? '' : `Period before: ${before}`);
    setText(this.#value, value);
    setText(this.#detail, detail);
  }
}

export class Figures {
  readonly #visitors = new Figure('visitors', 'Unique visitors');
  readonly #pageviews = new Figure('pageviews', 'Pageviews');
  readonly #perVisitor = new Figure('per-visitor', 'Pageviews per visitor');
  readonly #perVisit = new Figure('per-visit', 'Pageviews per visit');
  readonly #duration = new Figure('duration', 'Visit duration');
  readonly #bounce = new Figure('bounce', 'Bounce rate');

  /** Of visits; people and pageviews have panels of their own. */
  readonly foot: PanelFoot;

  constructor(host: HTMLElement, api: Api) {
    this.foot = new PanelFoot(api, 'Visits', true);
    const ofViews = [this.#visitors, this.#pageviews, this.#perVisitor];
    const ofVisits = [this.#perVisit, this.#duration, this.#bounce];
    const cards = [...ofViews, ...ofVisits].map((figure) => figure.element);
    host.replaceChildren(...cards, this.foot.element);
  }

  /** @param isPage the figures are of one page, although visits are counted for the whole domain */
  update(uniques: Uniques, pageviews: Pageviews, visits: Visits, isPage: boolean): void {
    const { visitors, compare: people } = uniques.data;
    const { pageviews: views, compare } = pageviews.data;
    const old = hasBefore(pageviews) && people && compare ? { people, views: compare.pageviews } : undefined;
    this.#visitors.show(
      count(visitors),
      sureness(uniques),
      old && `${count(old.people.visitors)}${old.people.overlap ? ' (no clear difference)' : ''}`,
    );
    this.#pageviews.show(count(views), 'Exact count', old && count(old.views));
    this.#perVisitor.show(
      visitors === 0 ? '–' : twoDigits(views / visitors),
      'Average over the range',
      old && twoDigits(old.views / old.people.visitors),
    );
    const { data } = visits;
    const { visits: all, bounces } = data;
    const whose = isPage ? ', whole domain' : '';
    const show = (
      figure: Figure,
      name: 'pageviewsPerVisit' | 'meanDuration' | 'bounceRate',
      words: (value: number) => string,
      detail: string,
    ): void => {
      const [value, earlier] = [data[name], data.compare?.[name]];
      const isKnown = value !== undefined;
      const said = isKnown ? `${detail}, batch only` : 'No visits in the batch view yet';
      figure.show(
        isKnown ? words(value) : '–',
        `${said}${whose}`,
        earlier === undefined ? undefined : words(earlier),
      );
    };
    show(this.#perVisit, 'pageviewsPerVisit', twoDigits, `Average of ${count(all)} visits`);
    show(this.#duration, 'meanDuration', stay, 'Average, first to last pageview');
    show(this.#bounce, 'bounceRate', share, `${count(bounces)} of ${count(all)} visits`);
  }
}

/** Whether there is something to compare with. */
export function hasBefore({ data }: Pageviews): boolean {
  return (data.compare?.pageviews ?? 0) > 0;
}

function sureness({ accuracy }: Uniques): string {
  const { exact, lower, upper, maxOvercount, maxUndercount } = accuracy;
  if (exact) return 'Exact';
  const changes = [
    ...(maxOvercount === 0 ? [] : [`lower it by up to ${count(maxOvercount)}`]),
    ...(maxUndercount === 0 ? [] : [`raise it by up to ${count(maxUndercount)}`]),
  ];
  const interval = `95 % between ${count(lower)} and ${count(upper)}`;
  return changes.length === 0 ? interval : `${interval}; new identity links may ${changes.join(' and ')}`;
}
