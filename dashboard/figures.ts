/** The totals of the range as large figures, each with its accuracy. */
import type { BounceRate, Pageviews, Uniques } from './answers.js';
import { h, setText } from './dom.js';
import { count, share, twoDigits } from './format.js';
import type { PeriodBefore } from './period-before.js';

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
  readonly #bounce = new Figure('bounce', 'Bounce rate');

  constructor(host: HTMLElement) {
    const all = [this.#visitors, this.#pageviews, this.#perVisitor, this.#bounce];
    host.replaceChildren(...all.map((figure) => figure.element));
  }

  /** @param isPage the figures are of one page, although visits are counted for the whole domain */
  update(
    uniques: Uniques,
    pageviews: Pageviews,
    bounce: BounceRate,
    before: PeriodBefore | undefined,
    isPage: boolean,
  ): void {
    const { visitors } = uniques.data;
    const views = pageviews.data.pageviews;
    const old = before && { visitors: before.people.data.visitors, views: before.views.data.pageviews };
    this.#visitors.show(count(visitors), sureness(uniques), old && count(old.visitors));
    this.#pageviews.show(count(views), 'Exact count', old && count(old.views));
    this.#perVisitor.show(
      visitors === 0 ? '–' : twoDigits(views / visitors),
      'Average over the range',
      old && twoDigits(old.views / old.visitors),
    );
    const { rate, visits, bounces } = bounce.data;
    const whose = isPage ? ', whole domain' : '';
    this.#bounce.show(
      rate === undefined ? '–' : share(rate),
      rate === undefined
        ? `No visits in the batch view yet${whose}`
        : `${count(bounces)} of ${count(visits)} visits, batch only${whose}`,
    );
  }
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
