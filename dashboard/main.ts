/**
 * The dashboard: one state (in the address), requests derived from it, one round of requests after another, and components that show the
 * answers. The page computes nothing that the API can provide.
 */
import {
  batches,
  breakdown,
  domains,
  pages,
  pageviews,
  pageviewTotal,
  status,
  uniques,
  visits,
  type Available,
  type Breakdown,
  type Status,
  type Uniques,
} from './answers.js';
import { Api, ApiProblem, Unreachable, type Params } from './api.js';
import { BreakdownPanel } from './breakdown-panel.js';
import { byId, icon, setAttributes, setText } from './dom.js';
import { Figures } from './figures.js';
import { Filters } from './filters.js';
import { clockTime, count } from './format.js';
import { FreshnessLine } from './freshness-line.js';
import { Headline } from './headline.js';
import { KeyDialog } from './key-dialog.js';
import { LayersPanel } from './layers-panel.js';
import { Notice } from './notice.js';
import { NowPanel } from './now-panel.js';
import { PagesTable } from './pages-table.js';
import { nameOf, readableHost } from './readable-url.js';
import { Refresh, type RoundResult } from './refresh.js';
import { SeriesCard } from './series-card.js';
import { pageviewsChart, uniquesChart } from './series-points.js';
import {
  customRange,
  hasRange,
  hasZone,
  newestOf,
  parseState,
  rangeOf,
  showState,
  type PageState,
} from './state.js';
import { suggestDomains, suggestPages } from './suggestions.js';
import { currentTheme, onThemeChange, toggleTheme } from './theme.js';
import { fillWelcome } from './welcome.js';
import { fitsBuckets, localOf, ownZone } from './zone-time.js';

/** Pause between two rounds of requests. */
const everyMs = 1_000;
const pagesListed = 10;
const valuesListed = 10;
/** Number of domains that are compared to find the busiest one to start with. */
const domainsCompared = 8;

class Dashboard {
  readonly #keys = new KeyDialog(() => this.#keyChanged());
  readonly #api = new Api(() => this.#keys.key);
  readonly #announcer = byId('announcer', 'div');
  readonly #report = byId('report', 'div');
  readonly #visitorScope = byId('visitor-scope', 'p');
  readonly #keptFrom = byId('kept-from', 'p');
  readonly #welcome = byId('welcome', 'div');
  readonly #headline = new Headline((compare) => this.#set({ compare }));
  readonly #freshness = new FreshnessLine((text) => this.#announce(text));
  readonly #notice = new Notice(byId('notice', 'div'), (change) => this.#change(change));
  readonly #now = new NowPanel(byId('now', 'div'), this.#api);
  readonly #figures = new Figures(section('figures'), this.#api);
  readonly #layersCard = section('layers-card');
  readonly #layers = new LayersPanel(this.#layersCard);
  readonly #pages = new PagesTable(section('pages-card'), this.#api, (url) => this.#change({ url }));
  readonly #breakdown = new BreakdownPanel(section('breakdown-card'), this.#api, (dimension) =>
    this.#set({ dimension }),
  );
  readonly #uniquesCard: SeriesCard;
  readonly #pageviewsCard: SeriesCard;
  readonly #filters: Filters;
  readonly #refresh = new Refresh((signal) => this.#round(signal), everyMs);
  #state: PageState = parseState(location.search, ownZone());
  #uniques: Uniques | undefined;
  #system: Status | undefined;
  /** Until the first figures arrive. */
  #isLoading = true;
  /** Whether a round has failed since the last report. */
  #hasFailed = false;
  /** While the reader has not chosen a range, the page looks for one with views. */
  #choosesRange = !hasRange(location.search);
  /** While the reader has not chosen a zone: use the visitor's own, if the data can show it. */
  #choosesZone = !hasZone(location.search);
  /** The older range that was found, if the last 24 hours have no views. */
  #older: { readonly available: Available; readonly hasRecent: boolean } | undefined;

  constructor() {
    const chart = {
      announce: (text: string) => this.#announce(text),
      onSelect: (from: number, to: number) => this.#zoom(from, to),
    };
    this.#uniquesCard = new SeriesCard(section('uniques-card'), this.#api, {
      ...chart,
      id: 'uniques',
      name: 'Unique visitors',
      hint: 'Each bucket counts its own people; the total counts each person once.',
      unit: 'Visitors',
      kind: 'line',
      hasBounds: true,
      describe: ({ value, lower, upper, exact }) =>
        `${count(value)} visitors${exact ? '' : ` (95 %: ${count(lower)} – ${count(upper)})`}`,
    });
    this.#pageviewsCard = new SeriesCard(section('pageviews-card'), this.#api, {
      ...chart,
      id: 'pageviews',
      name: 'Pageviews',
      hint: 'Each pageview counts once, at the time it happened.',
      unit: 'Pageviews',
      kind: 'bars',
      hasBounds: false,
      describe: ({ value }) => `${count(value)} pageviews`,
    });
    this.#filters = new Filters({
      suggestDomains: (typed, signal) => suggestDomains(this.#api, typed, signal),
      suggestPages: (typed, signal) => suggestPages(this.#api, this.#state, typed, signal),
      canShow: (zone) =>
        this.#system === undefined || fitsBuckets(zone, this.#system.bucketMinutes, Date.now()),
      localRange: () => this.#localRange(),
      onChange: (change) => this.#change(change),
    });
  }

  start(): void {
    fillWelcome(this.#welcome, location.origin);
    this.#wireTopBar();
    window.addEventListener('popstate', () => {
      this.#state = parseState(location.search, this.#state.zone);
      this.#settleRange(!hasRange(location.search));
      this.#ask();
    });
    this.#ask();
  }

  #wireTopBar(): void {
    byId('live', 'button').addEventListener('click', () => {
      if (this.#refresh.paused) {
        this.#now.resume();
        return this.#refresh.resume();
      }
      this.#refresh.pause();
      this.#now.pause();
      this.#freshness.mood('paused');
    });
    const theme = byId('theme', 'button');
    const showTheme = (): void => {
      const isDark = currentTheme() === 'dark';
      setAttributes(theme, { 'aria-label': isDark ? 'Use the light theme' : 'Use the dark theme' });
      theme.replaceChildren(icon(isDark ? 'sun' : 'moon'));
    };
    theme.addEventListener('click', toggleTheme);
    onThemeChange(showTheme);
    showTheme();
    byId('forget-key', 'button').addEventListener('click', () => this.#keys.forget());
    byId('forget-key', 'button').hidden = this.#keys.key === undefined;
  }

  #keyChanged(): void {
    this.#api.forget();
    this.#now.askAgain();
    byId('forget-key', 'button').hidden = this.#keys.key === undefined;
    this.#ask();
  }

  #settleRange(choosesRange: boolean): void {
    this.#choosesRange = choosesRange;
    this.#older = undefined;
  }

  #change(change: Partial<PageState>): void {
    if (change.zone !== undefined) this.#choosesZone = false;
    this.#settleRange(false);
    this.#set(change);
  }

  #set(change: Partial<PageState>): void {
    this.#state = { ...this.#state, ...change };
    history.pushState(null, '', showState(this.#state));
    this.#ask();
  }

  #ask(): void {
    this.#filters.show(this.#state);
    this.#headline.compare = this.#state.compare;
    setAttributes(this.#report, { 'aria-busy': 'true' });
    this.#refresh.now();
  }

  async #round(signal: AbortSignal): Promise<RoundResult> {
    if (this.#keys.isOpen) return { ok: false, retryAfterMs: undefined };
    try {
      // Each part shows its own answer: the system's state stays current even if the report is refused.
      const system = this.#api.get('/v1/status', {}, status, signal);
      await Promise.all([this.#askSystem(system, signal), this.#askReport(system, Date.now(), signal)]);
      return { ok: true };
    } catch (error) {
      return signal.aborted ? { ok: true } : this.#failed(error);
    }
  }

  async #askSystem(asked: Promise<Status>, signal: AbortSignal): Promise<void> {
    const system = await asked;
    if (signal.aborted) return;
    this.#system = system;
    this.#showFreshness();
    this.#layersCard.hidden = system.domain !== undefined;
    if (system.domain !== undefined) return;
    const views = await this.#api.get('/v1/batches', {}, batches, signal);
    if (!signal.aborted) this.#layers.update(system, views, this.#state.zone, Date.now());
  }

  /** Shows nothing as live before there are figures. */
  #showFreshness(): void {
    if (this.#system === undefined) return;
    const skippedOffsets = this.#uniques?.freshness.skippedOffsets ?? 0;
    const { paused } = this.#refresh;
    this.#freshness.update(this.#system.freshness, skippedOffsets, this.#state.zone, Date.now(), paused);
    if (this.#isLoading && !paused) this.#freshness.mood('waiting');
  }

  #endLoading(): void {
    if (!this.#isLoading) return;
    this.#isLoading = false;
    this.#showFreshness();
  }

  /** Requests the answers of one report, and shows them together. */
  async #askReport(asked: Promise<Status>, nowMs: number, signal: AbortSignal): Promise<void> {
    if (this.#choosesZone) await this.#chooseZone(asked, nowMs);
    if (signal.aborted) return;
    const domain = this.#state.domain ?? (await this.#firstDomain(nowMs, signal));
    this.#welcome.hidden = domain !== undefined;
    this.#report.hidden = domain === undefined;
    this.#headline.hidden = domain === undefined;
    if (domain === undefined) {
      this.#now.show(undefined);
      this.#layers.showIdentity(undefined);
      this.#endLoading();
      return this.#notice.clear();
    }
    const { url, zone } = this.#state;
    const about: Params = url === undefined ? { domain } : { url };
    if (this.#choosesRange) await this.#chooseRange(about, nowMs, signal);
    if (signal.aborted) return;
    const { from, to, interval } = rangeOf(this.#state, nowMs);
    const ranged: Params = { from, to, tz: zone };
    const series: Params = { ...about, ...ranged, interval };
    const topPages: Params = { domain, ...ranged, limit: String(pagesListed) };
    const [{ people, views, ofVisits, asked: askedFigures }, top, values] = await Promise.all([
      this.#askFigures(series, { domain, ...ranged }, signal),
      this.#api.get('/v1/pages', topPages, pages, signal),
      this.#askBreakdown(asked, { domain, ...ranged }, signal),
    ]);
    if (signal.aborted) return;
    this.#uniques = people;
    this.#endLoading();
    this.#figures.update(people, views, ofVisits, url !== undefined);
    this.#uniquesCard.update(uniquesChart(people, views, nowMs));
    this.#pageviewsCard.update(pageviewsChart(people, views, nowMs));
    this.#pages.update(top.data.pages, url);
    this.#now.show(domain);
    if (this.#hasFailed) this.#now.serverIsBack();
    this.#hasFailed = false;
    this.#layers.showIdentity(people.accuracy);
    this.#visitorScope.hidden = people.accuracy.visitorScope !== 'day';
    this.#showKeptFrom(people);
    this.#showQuestions(askedFigures, topPages);
    if (values !== undefined) this.#breakdown.update(values);
    setAttributes(this.#report, { 'aria-busy': 'false', 'data-stale': undefined, 'data-loading': undefined });
    const subject = url === undefined ? readableHost(domain) : nameOf(url);
    document.title = `${count(people.data.visitors)} visitors · ${subject}`;
    this.#headline.show(subject, people.range, zone);
    const { emptyReason, available } = people.data;
    if (emptyReason !== undefined) this.#notice.showEmpty(emptyReason, available, this.#state);
    else if (this.#older === undefined) this.#notice.clear();
    else this.#notice.showOlder(this.#older.available, this.#older.hasRecent, this.#state);
  }

  /**
   * People and views by buckets, and visits; where they are compared those of the period before, which is the server's to find. One that begins before
   * 1970 is refused: then the range is asked about alone. `asked` are the questions about the series and about visits.
   */
  async #askFigures(series: Params, ofDomain: Params, signal: AbortSignal) {
    const ask = async (compare: Params) => {
      const asked = { series: { ...series, ...compare }, visits: { ...ofDomain, ...compare } };
      const [people, views, ofVisits] = await Promise.all([
        this.#api.get('/v1/uniques', asked.series, uniques, signal),
        this.#api.get('/v1/pageviews', asked.series, pageviews, signal),
        this.#api.get('/v1/visits', asked.visits, visits, signal),
      ]);
      return { people, views, ofVisits, asked };
    };
    if (!this.#state.compare) return ask({});
    try {
      return await ask({ compare: 'previous' });
    } catch (error) {
      if (error instanceof ApiProblem && error.members['parameter'] === 'compare') return ask({});
      throw error;
    }
  }

  /** Where pageviews are kept for a limited time: whether the figures reach back further. */
  #showKeptFrom({ data, range, freshness: { keptFrom = -Infinity } }: Uniques): void {
    const isRange = range.from < keptFrom;
    this.#keptFrom.hidden = !isRange && (data.compare?.from ?? Infinity) >= keptFrom;
    if (this.#keptFrom.hidden) return;
    const what = isRange ? 'this range begins earlier' : 'the period before begins earlier';
    setText(
      this.#keptFrom,
      `Pageviews are kept for a limited time: ${what}, and counts only those from ${clockTime(keptFrom, this.#state.zone)} on.`,
    );
  }

  /** Undefined if no dimension is kept. The first request waits for the server's list of dimensions. */
  async #askBreakdown(
    asked: Promise<Status>,
    ranged: Params,
    signal: AbortSignal,
  ): Promise<Breakdown | undefined> {
    const dimensions = (this.#system ?? (await asked)).dimensions;
    const { dimension, url } = this.#state;
    const chosen = dimensions.find(({ name }) => name === dimension) ?? dimensions[0];
    this.#breakdown.show(dimensions, chosen, url !== undefined);
    if (chosen === undefined) return undefined;
    const params = { ...ranged, by: chosen.name, limit: String(valuesListed) };
    this.#breakdown.foot.show('/v1/breakdown', params);
    return this.#api.get('/v1/breakdown', params, breakdown, signal);
  }

  /**
   * Falls back to UTC if the data cannot show the visitor's zone. Zones with whole-hour offsets always fit; only others wait for the server's
   * bucket width.
   */
  async #chooseZone(asked: Promise<Status>, nowMs: number): Promise<void> {
    const { zone } = this.#state;
    const { bucketMinutes } = fitsBuckets(zone, 60, nowMs) ? { bucketMinutes: 60 } : await asked;
    if (!this.#choosesZone) return; // the reader has chosen in the meantime
    this.#choosesZone = false;
    if (fitsBuckets(zone, bucketMinutes, nowMs)) return;
    this.#state = { ...this.#state, zone: 'UTC' };
    this.#filters.show(this.#state);
  }

  /**
   * Chooses the last 24 hours or, if they are empty, the newest views there are. Follows these while more arrive, as during an import, but views
   * of today that arrive later do not change the range of a page that is being read.
   */
  async #chooseRange(subject: Params, nowMs: number, signal: AbortSignal): Promise<void> {
    const { from, to } = rangeOf({ ...this.#state, range: '24h' }, nowMs);
    const { data } = await this.#api.get('/v1/pageviews', { ...subject, from, to }, pageviewTotal, signal);
    if (signal.aborted) return;
    const { pageviews: recent, available } = data;
    if (recent > 0) {
      this.#choosesRange = false;
      if (this.#older !== undefined) this.#older = { ...this.#older, hasRecent: true };
    } else if (available !== undefined) {
      this.#older = { available, hasRecent: false };
      this.#state = { ...this.#state, range: customRange(newestOf(available), this.#state.zone) };
      this.#showAddress();
    }
  }

  /** Updates the address and the controls after the page itself has changed the state. */
  #showAddress(): void {
    const address = showState(this.#state);
    if (address === location.search) return;
    history.replaceState(null, '', address);
    this.#filters.show(this.#state);
  }

  #showQuestions(asked: { readonly series: Params; readonly visits: Params }, topPages: Params): void {
    this.#figures.foot.show('/v1/visits', asked.visits);
    this.#uniquesCard.foot.show('/v1/uniques', asked.series);
    this.#pageviewsCard.foot.show('/v1/pageviews', asked.series);
    this.#pages.foot.show('/v1/pages', topPages);
  }

  /** The busiest of the first few domains in the last 24 hours, to open the page with; undefined if there is none. */
  async #firstDomain(nowMs: number, signal: AbortSignal): Promise<string | undefined> {
    const known = await this.#api.get('/v1/domains', { limit: String(domainsCompared) }, domains, signal);
    const { from, to } = rangeOf({ ...this.#state, range: '24h' }, nowMs);
    const counted = await Promise.all(
      known.data.domains.map(async (domain) => {
        const answer = await this.#api.get('/v1/pageviews', { domain, from, to }, pageviewTotal, signal);
        return { domain, views: answer.data.pageviews };
      }),
    );
    const busiest = counted.toSorted((a, b) => b.views - a.views)[0]?.domain;
    if (busiest === undefined || signal.aborted) return undefined;
    this.#state = { ...this.#state, domain: busiest };
    this.#showAddress();
    return busiest;
  }

  #failed(error: unknown): RoundResult {
    this.#hasFailed = true;
    if (error instanceof ApiProblem && error.status === 401) {
      this.#keys.ask();
      return { ok: false, retryAfterMs: undefined };
    }
    this.#notice.show(error, this.#state);
    setAttributes(this.#report, { 'aria-busy': 'false', 'data-stale': true });
    if (error instanceof Unreachable) this.#freshness.mood('offline');
    return { ok: false, retryAfterMs: error instanceof ApiProblem ? error.retryAfterMs : undefined };
  }

  #zoom(from: number, to: number): void {
    const [first, last] = [this.#uniques?.data.series[from], this.#uniques?.data.series[to - 1]];
    if (first === undefined || last === undefined) return;
    const { zone } = this.#state;
    this.#change({ range: { from: localOf(first.from, zone), to: localOf(last.to, zone) }, by: undefined });
  }

  #localRange(): { from: string; to: string } {
    const { zone } = this.#state;
    const answered = this.#uniques?.range;
    const to = answered?.to ?? Math.ceil(Date.now() / hourMs) * hourMs;
    return { from: localOf(answered?.from ?? to - 24 * hourMs, zone), to: localOf(to, zone) };
  }

  #announce(text: string): void {
    this.#announcer.textContent = text;
  }
}

const hourMs = 3_600_000;

function section(id: string): HTMLElement {
  return byId(id, 'section');
}

new Dashboard().start();
