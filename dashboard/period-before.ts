/** The figures of the period of the same length before the range, for comparison. */
import { pageviews, uniques, type Pageviews, type Uniques } from './answers.js';
import { ApiProblem, type Api, type Params } from './api.js';
import { rangeBefore, type PageState } from './state.js';

export interface PeriodBefore {
  readonly people: Uniques;
  readonly views: Pageviews;
}

interface Kept {
  readonly key: string;
  readonly askedAt: number;
  readonly period: PeriodBefore | undefined;
}

const againAfterMs = 30_000;

export class EarlierPeriod {
  readonly #api: Api;
  #kept: Kept | undefined;

  constructor(api: Api) {
    this.#api = api;
  }

  /** Drops answers received with another key. */
  forget(): void {
    this.#kept = undefined;
  }

  /**
   * Undefined if comparing is off, or the period had no views. It rarely changes: requested again only for another query, or after 30 s. Throws
   * the errors of `Api.get`.
   */
  async ask(
    state: PageState,
    about: Params,
    nowMs: number,
    signal: AbortSignal,
  ): Promise<PeriodBefore | undefined> {
    if (!state.compare) return undefined;
    const { from, to, interval } = rangeBefore(state, nowMs);
    const params = { ...about, from, to, tz: state.zone, interval };
    const key = JSON.stringify(params);
    if (this.#kept?.key === key && nowMs - this.#kept.askedAt < againAfterMs) return this.#kept.period;
    try {
      const [people, views] = await Promise.all([
        this.#api.get('/v1/uniques', params, uniques, signal),
        this.#api.get('/v1/pageviews', params, pageviews, signal),
      ]);
      const period = views.data.pageviews === 0 ? undefined : { people, views };
      this.#kept = { key, askedAt: nowMs, period };
      return period;
    } catch (error) {
      // Either the range itself is refused for the same reason, or only this period is outside of what can be requested.
      if (error instanceof ApiProblem && error.status === 422) return undefined;
      throw error;
    }
  }
}
