/** Shared state of all answers, made once per process: generations, working buffers, rules, zones, clock. */
import { setTimeout as sleep } from 'node:timers/promises';
import { hasCode } from '../../lib/errors/errors.js';
import { HttpProblem } from '../../lib/http/problem.js';
import type { Clock } from '../../lib/time/clock.js';
import type { BucketWidth } from '../../lib/time/buckets.js';
import type { RulesVersions } from '../../facts/rules-versions.js';
import type { Dimension } from '../../facts/subjects.js';
import type { UrlRules } from '../../facts/url/normalize.js';
import type { LiveIdentity } from '../identity/live-identity.js';
import { WaitingEdges } from '../identity/waiting-edges.js';
import { atLeastHeader, hasReached } from './at-least.js';
import { shareMs, type PinnedGeneration, type Generations } from './generations.js';
import type { LagSource } from './lag.js';
import { nothingRecent, type RecentSource } from '../now/log-tail.js';
import { Ranks } from './ranks.js';
import { TallyPool, type Tally } from './tally.js';
import { Zones } from './zone.js';
import { noScopes, type VisitorScopes } from '../visitor-scopes.js';
import type { Subject } from '../../facts/views/view.js';

/** Maximum number of tries: a host of the realtime view may die in the middle of an answer, and another in the next try. */
const maxAttempts = 4;
/** Maximum time to wait for facts that the client has seen elsewhere. */
const reachPatienceMs = 5_000;

export interface EngineOptions {
  readonly generations: Generations;
  readonly lgK: number;
  /** Width of the data directory's base buckets. */
  readonly width: BucketWidth;
  readonly urls: UrlRules;
  /** Dimensions that are kept. */
  readonly dimensions: readonly Dimension[];
  /** Versions of the rules that new facts are counted with. */
  readonly rules: RulesVersions;
  readonly lag: LagSource;
  readonly clock: Clock;
  /** Source of the last minutes. Default: not available. */
  readonly recent?: RecentSource;
  /** Default: none. */
  readonly visitorScopes?: VisitorScopes | undefined;
}

export class Engine {
  readonly generations: Generations;
  readonly urls: UrlRules;
  readonly dimensions: readonly Dimension[];
  readonly rules: RulesVersions;
  readonly lag: LagSource;
  readonly clock: Clock;
  readonly recent: RecentSource;
  readonly width: BucketWidth;
  readonly zones: Zones;
  readonly ranks = new Ranks();
  readonly edges: WaitingEdges;
  readonly #tallies: TallyPool;
  readonly #scopes: VisitorScopes;

  constructor(options: EngineOptions) {
    this.generations = options.generations;
    this.edges = new WaitingEdges(options.generations);
    this.urls = options.urls;
    this.dimensions = options.dimensions;
    this.rules = options.rules;
    this.lag = options.lag;
    this.clock = options.clock;
    this.recent = options.recent ?? nothingRecent;
    this.width = options.width;
    this.zones = new Zones(options.width);
    this.#tallies = new TallyPool(options.lgK, options.width);
    this.#scopes = options.visitorScopes ?? noScopes;
  }

  /** States for how long visitors of these subjects are recognised, if it is one day only. */
  scopeOf(subjects: readonly Subject[]): { readonly visitorScope?: 'day' } {
    return subjects.some((subject) => this.#scopes.isDay(subject)) ? { visitorScope: 'day' } : {};
  }

  /**
   * Runs `work` on the current generation, pinned until it ends. Retries if the realtime view is lost meanwhile.
   *
   * @param atLeast text of a cut that must be reached (at-least.ts); throws `not-ready` if it is not within some seconds
   */
  async pinned<T>(work: (generation: PinnedGeneration) => Promise<T>, atLeast?: string): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      const generation = await this.#pinReaching(atLeast);
      try {
        this.#checkBuckets(generation);
        return await work(generation);
      } catch (error) {
        if (!hasCode(error, 'realtime.gone') || attempt === maxAttempts) throw error;
        this.generations.forget();
      } finally {
        this.generations.unpin(generation);
      }
    }
  }

  /** Refuses a view with base buckets of another width, which cannot answer queries in ours. */
  #checkBuckets({ batch }: PinnedGeneration): void {
    const { id, bucketMinutes } = batch.meta;
    if (bucketMinutes === this.width.minutes) return;
    throw new HttpProblem(
      'not-ready',
      `batch view ${id} has buckets of ${bucketMinutes} minutes, but SWA_BUCKET_MINUTES is ${this.width.minutes}; the next batch run rebuilds it`,
    );
  }

  async #pinReaching(atLeast: string | undefined): Promise<PinnedGeneration> {
    const until = performance.now() + reachPatienceMs;
    for (;;) {
      const generation = await this.generations.pin();
      let isReached = false;
      try {
        isReached = atLeast === undefined || hasReached(generation.cut, atLeast);
        if (isReached) return generation;
      } finally {
        if (!isReached) this.generations.unpin(generation);
      }
      if (performance.now() > until)
        throw new HttpProblem('not-ready', `the cut in ${atLeastHeader} has not been reached yet`, {
          headers: { 'Retry-After': '1' },
        });
      await sleep(shareMs);
    }
  }

  /** Runs `work` with an empty working buffer. With `identity`, people are joined as it says. */
  tallied<T>(work: (tally: Tally) => Promise<T>, identity?: LiveIdentity): Promise<T> {
    return this.#tallies.with(work, identity);
  }
}
