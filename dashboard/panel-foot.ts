/** The foot of a panel: its answer as a file, and its request as a command to copy. */
import { ApiProblem, targetOf, type Api, type Params } from './api.js';
import { commandLine } from './command-line.js';
import { h, setAttributes, setText } from './dom.js';

export class PanelFoot {
  readonly element: HTMLElement;
  readonly #api: Api;
  readonly #name: string;
  readonly #command = commandLine('the command');
  readonly #said = h('span', { class: 'hint', role: 'status' });
  #target = '';

  /**
   * @param name of the panel, for example 'Top pages'
   * @param isNamed whether its links name it, where it does not stand in one panel
   */
  constructor(api: Api, name: string, isNamed = false) {
    this.#api = api;
    this.#name = name;
    const csv = h(
      'button',
      { type: 'button', class: 'link', 'aria-label': `${name} as CSV` },
      isNamed ? `${name} as CSV` : 'CSV',
    );
    const curl = h(
      'button',
      { type: 'button', class: 'link', 'aria-label': `${name} as curl`, 'aria-expanded': 'false' },
      isNamed ? `${name} as curl` : 'curl',
    );
    csv.addEventListener('click', () => void this.#download());
    curl.addEventListener('click', () => {
      const isShown = this.#command.element.hidden;
      this.#command.element.hidden = !isShown;
      setAttributes(curl, { 'aria-expanded': String(isShown) });
    });
    this.#command.element.hidden = true;
    this.element = h(
      'div',
      { class: 'panel-foot' },
      h('div', { class: 'links' }, this.#said, csv, curl),
      this.#command.element,
    );
  }

  /** Sets the request that the panel's figures answer. */
  show(path: string, params: Params): void {
    this.#target = targetOf(path, params);
    const key = this.#api.hasKey ? ` -H "Authorization: Bearer $SWA_API_TOKEN"` : '';
    this.#command.show(`curl -s${key} '${location.origin}${this.#target}'`);
  }

  async #download(): Promise<void> {
    if (this.#target === '') return;
    try {
      const url = URL.createObjectURL(await this.#api.csv(this.#target));
      h('a', { href: url, download: `${this.#name.toLowerCase().replaceAll(/\W+/g, '-')}.csv` }).click();
      window.setTimeout(() => URL.revokeObjectURL(url), 60_000);
      setText(this.#said, '');
    } catch (error) {
      setText(this.#said, error instanceof ApiProblem ? error.message : 'The server cannot be reached.');
    }
  }
}
