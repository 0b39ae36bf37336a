/**
 * The intake: what a request brought goes through the door into the log, and the answer says what became of each. It is durable when
 * `take` returns. When the log cannot take more nothing is acknowledged: the client still has its facts.
 */
import { admit, type FactDefaults, type Warning } from '../facts/door.js';
import { isExclusion, type Fact } from '../facts/fact.js';
import { encodeRecord } from '../facts/record.js';
import type { UrlRules } from '../facts/url/normalize.js';
import { SwaError } from '../lib/errors/errors.js';
import { HttpProblem } from '../lib/http/problem.js';
import type { Clock } from '../lib/time/clock.js';
import type { LogWriter, NewRecord } from '../log/log.js';

/** Warnings in an answer. */
export const maxWarnings = 100;

export interface IntakeDeps {
  readonly log: Pick<LogWriter, 'append'>;
  readonly urls: UrlRules;
  readonly clock: Clock;
  readonly counters: CollectorCounters;
}

/** What the collector has done since it started, for status and metrics. */
export interface CollectorCounters {
  accepted: number;
  rejected: number;
  /** What was changed about accepted facts. */
  warnings: number;
  /** Rejections by the field that was refused. */
  readonly rejectedByField: Map<string, number>;
  /** Requests that got a 503. */
  unavailable: number;
}

export function newCounters(): CollectorCounters {
  return { accepted: 0, rejected: 0, warnings: 0, rejectedByField: new Map(), unavailable: 0 };
}

/** One of the things a request brought. */
export type Candidate =
  | { readonly kind: 'fact'; readonly value: unknown; readonly warnings?: readonly Warning[] }
  | { readonly kind: 'refused'; readonly field: string; readonly reason: string }
  /** Asked for in good order, and makes no fact. */
  | { readonly kind: 'passed'; readonly warnings: readonly Warning[] };

/** What the sender may besides facts that add something. */
export interface IntakeRights {
  readonly mayExclude: boolean;
}

export interface IntakeAnswer {
  readonly accepted: number;
  readonly rejected: readonly { readonly index: number; readonly reason: string }[];
  readonly warnings: readonly (Warning & { readonly index: number })[];
  readonly moreWarnings?: number;
}

/** How long facts are checked before others get their turn. */
const sliceMs = 8;

export class Intake {
  readonly #deps: IntakeDeps;

  constructor(deps: IntakeDeps) {
    this.#deps = deps;
  }

  get urls(): UrlRules {
    return this.#deps.urls;
  }

  /**
   * Takes what a request brought, in its order. Throws `log-unavailable` when the log cannot take facts right now: then none of
   * them is acknowledged.
   */
  async take(
    candidates: readonly Candidate[],
    defaults: FactDefaults,
    rights: IntakeRights = { mayExclude: false },
  ): Promise<IntakeAnswer> {
    const { counters, urls, clock } = this.#deps;
    const receivedAt = clock();
    const records: NewRecord[] = [];
    const rejected: { index: number; reason: string }[] = [];
    const warnings: (Warning & { readonly index: number })[] = [];
    let moreWarnings = 0;
    let sliceEndsAt = performance.now() + sliceMs;
    for (const [index, candidate] of candidates.entries()) {
      if (performance.now() >= sliceEndsAt) {
        await new Promise((resolve) => setImmediate(resolve));
        sliceEndsAt = performance.now() + sliceMs;
      }
      const outcome = allowed(outcomeOf(candidate, receivedAt, urls, defaults), rights);
      if (!outcome.ok) {
        rejected.push({ index, reason: outcome.reason });
        countByName(counters.rejectedByField, outcome.field);
        continue;
      }
      if (outcome.fact !== undefined) records.push(encodeRecord(outcome.fact, urls));
      for (const warning of outcome.warnings)
        if (warnings.length < maxWarnings) warnings.push({ index, ...warning });
        else moreWarnings++;
    }
    counters.rejected += rejected.length;
    await this.#append(records);
    counters.accepted += records.length;
    counters.warnings += warnings.length + moreWarnings;
    return {
      accepted: records.length,
      rejected,
      warnings,
      ...(moreWarnings === 0 ? {} : { moreWarnings }),
    };
  }

  async #append(records: readonly NewRecord[]): Promise<void> {
    if (records.length === 0) return;
    try {
      await this.#deps.log.append(records);
    } catch (error) {
      if (!(error instanceof SwaError) || !error.retryable) throw error;
      this.#deps.counters.unavailable++;
      throw new HttpProblem(
        'log-unavailable',
        'none of these facts was acknowledged; send them again with the same eventIds',
        {
          headers: { 'Retry-After': '1' },
          cause: error,
        },
      );
    }
  }
}

type Outcome =
  | { readonly ok: true; readonly fact?: Fact; readonly warnings: readonly Warning[] }
  | { readonly ok: false; readonly field: string; readonly reason: string };

/** Exclusions change all answers, those of history too: whoever may send pageviews need not be trusted with that. */
function allowed(outcome: Outcome, { mayExclude }: IntakeRights): Outcome {
  if (mayExclude || !outcome.ok || outcome.fact === undefined || !isExclusion(outcome.fact)) return outcome;
  const { type } = outcome.fact;
  return { ok: false, field: 'type', reason: `type "${type}" needs a key with the scope admin` };
}

function outcomeOf(
  candidate: Candidate,
  receivedAt: number,
  urls: UrlRules,
  defaults: FactDefaults,
): Outcome {
  if (candidate.kind === 'refused') return { ok: false, ...candidate };
  if (candidate.kind === 'passed') return { ok: true, warnings: candidate.warnings };
  const admission = admit(candidate.value, receivedAt, urls, defaults);
  if (!admission.ok || candidate.warnings === undefined) return admission;
  return { ...admission, warnings: [...candidate.warnings, ...admission.warnings] };
}

/** Names told apart: clients choose some of them. */
const maxNames = 64;

/** Counts one more of a name; what comes when there are too many names is counted as 'other'. */
export function countByName(counts: Map<string, number>, name: string): void {
  const known = counts.has(name) || counts.size < maxNames ? name : 'other';
  counts.set(known, (counts.get(known) ?? 0) + 1);
}
