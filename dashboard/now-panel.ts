/**
 * People now: the number of people on the domain, and the pages they are on. Updated every ten seconds while the page is visible. A failed
 * request is retried a few times, a refused one is not; then the reader is told and can retry.
 */
import { now, type Now } from './answers.js';
import { ApiProblem, Unreachable, type Api } from './api.js';
import { h, setAttributes, setText } from './dom.js';
import { count } from './format.js';
import { PanelFoot } from './panel-foot.js';
import { RankedTable } from './ranked-table.js';
import { listed, readableHost } from './readable-url.js';
import { Refresh, type RoundResult } from './refresh.js';

const everyMs = 10_000;
const failuresAtMost = 3;
const pagesListed = 10;

export class NowPanel {
  readonly #api: Api;
  readonly #host: HTMLElement;
  readonly #count = h('span', { id: 'now-count' });
  readonly #about = h('p', { class: 'hint' });
  readonly #failed = h('span');
  readonly #again = h('button', { type: 'button', class: 'link' }, 'Ask again');
  readonly #failure = h('p', { class: 'hint', id: 'now-failure', hidden: true });
  readonly #table = new RankedTable('now-count', [{ title: 'People' }]);
  readonly #foot: PanelFoot;
  readonly #refresh: Refresh;
  #domain: string | undefined;
  #failures = 0;
  #isRefused = false;

  constructor(host: HTMLElement, api: Api) {
    this.#api = api;
    this.#host = host;
    this.#foot = new PanelFoot(api, 'People now');
    this.#refresh = new Refresh((signal) => this.#round(signal), everyMs);
    this.#again.addEventListener('click', () => this.askAgain());
    this.#failure.append(this.#failed, ' ', this.#again);
    const dot = h('span', { class: 'dot', 'aria-hidden': 'true' });
    host.replaceChildren(
      h(
        'details',
        {},
        h('summary', {}, dot, this.#count),
        h('div', { class: 'card' }, this.#about, this.#table.element, this.#foot.element),
      ),
      this.#failure,
    );
  }

  /** Undefined while there is no domain. Sends a request only if the domain has changed. */
  show(domain: string | undefined): void {
    if (domain === this.#domain) return;
    this.#domain = domain;
    this.#host.hidden = domain === undefined;
    if (domain === undefined) return;
    setText(this.#count, 'People now: –');
    setText(this.#about, `With a pageview in the last five minutes, on any page of ${readableHost(domain)}.`);
    this.#foot.show('/v1/now', paramsOf(domain));
    this.askAgain();
  }

  /** Retries after failures; a refused request would be refused again. */
  serverIsBack(): void {
    if (this.#failures > 0 && !this.#isRefused) this.askAgain();
  }

  askAgain(): void {
    this.#failures = 0;
    this.#refresh.now();
  }

  pause(): void {
    this.#refresh.pause();
  }

  resume(): void {
    this.#refresh.resume();
  }

  async #round(signal: AbortSignal): Promise<RoundResult> {
    const domain = this.#domain;
    if (domain === undefined) return { ok: false, retryAfterMs: undefined, isLast: true };
    try {
      this.#update(await this.#api.get('/v1/now', paramsOf(domain), now, signal));
      this.#failures = 0;
      return { ok: true };
    } catch (error) {
      return signal.aborted ? { ok: true } : this.#fail(error);
    }
  }

  #update({ data, accuracy }: Now): void {
    const { visitors, pages } = data;
    const atLeast = accuracy.coveredFrom > data.from ? 'At least ' : '';
    setText(this.#count, `${atLeast}${count(visitors)} ${visitors === 1 ? 'person' : 'people'} now`);
    setAttributes(this.#host, { 'data-mood': visitors > 0 ? 'live' : undefined });
    this.#failure.hidden = true;
    const { heading, names } = listed(pages.map(({ url }) => url));
    const most = Math.max(1, pages[0]?.visitors ?? 1);
    this.#table.update(
      heading,
      pages.map((page, i) => ({
        name: names[i] ?? page.url,
        fullName: page.url,
        share: page.visitors / most,
        cells: [count(page.visitors)],
      })),
      'Nobody at this moment.',
    );
  }

  #fail(error: unknown): RoundResult {
    this.#failures++;
    this.#isRefused = error instanceof ApiProblem && error.status < 500 && error.status !== 429;
    const isLast = this.#isRefused || !(error instanceof ApiProblem || error instanceof Unreachable);
    const stops = isLast || this.#failures >= failuresAtMost;
    const why = error instanceof Unreachable ? 'the server cannot be reached' : messageOf(error);
    setText(this.#count, 'People now: not known');
    setAttributes(this.#host, { 'data-mood': undefined });
    setText(this.#failed, `${why}. ${stops ? 'Not asked for any more.' : 'Trying again.'}`);
    this.#again.hidden = !stops;
    this.#failure.hidden = false;
    const retryAfterMs = error instanceof ApiProblem ? error.retryAfterMs : undefined;
    return { ok: false, retryAfterMs, isLast: stops };
  }
}

function paramsOf(domain: string): { readonly domain: string; readonly limit: string } {
  return { domain, limit: String(pagesListed) };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
