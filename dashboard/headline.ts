/** What the figures are about: the domain or page, and the range. */
import { byId, setText } from './dom.js';
import { rangeName } from './format.js';
import { customRange } from './state.js';

export class Headline {
  readonly #host = byId('headline', 'div');
  readonly #subject = byId('subject', 'h1');
  readonly #compare = byId('compare', 'input');
  readonly #range = byId('range-name', 'p');

  /** @param onCompare called with whether to show the period before */
  constructor(onCompare: (compare: boolean) => void) {
    this.#compare.addEventListener('change', () => onCompare(this.#compare.checked));
  }

  set compare(compare: boolean) {
    this.#compare.checked = compare;
  }

  set hidden(hidden: boolean) {
    this.#host.hidden = hidden;
  }

  /** @param range half-open, UTC ms */
  show(subject: string, range: { readonly from: number; readonly to: number }, zone: string): void {
    setText(this.#subject, subject);
    setText(this.#range, `${rangeName(customRange(range, zone))}, ${zone}`);
  }
}
