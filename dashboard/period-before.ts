/** The figures of the period of the same length before the range, to be shown beside. */
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

  /** Drops what was answered to another key. */
  forget(): void {
    this.#kept = undefined;
  }

  /**
   * undefined where it is not wanted, or had no views. It rarely changes: asked for again with another question, and every half minute. Throws what `Api.get` throws.
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
      // The range itself is refused for the same reason, or only this one lies where nothing can be asked for.
      if (error instanceof ApiProblem && error.status === 422) return undefined;
      throw error;
    }
  }
}
