/**
 * The intake: passes the items of a request through the door and appends the facts to the log. The answer says what became
 * of each item. Accepted facts are durable when `take` returns; if the log cannot accept facts, none is acknowledged.
 */
import { admit, type FactDefaults, type Warning } from '../facts/door.js';
import { isExclusion, type Fact } from '../facts/fact.js';
import { encodeRecord } from '../facts/record.js';
import type { UrlRules } from '../facts/url/normalize.js';
import { SwaError } from '../lib/errors/errors.js';
import { HttpProblem } from '../lib/http/problem.js';
import type { Clock } from '../lib/time/clock.js';
import type { LogWriter, NewRecord } from '../log/log.js';

/** Maximum number of warnings in an answer. */
export const maxWarnings = 100;

export interface IntakeDeps {
  readonly log: Pick<LogWriter, 'append'>;
  readonly urls: UrlRules;
  readonly clock: Clock;
  readonly counters: CollectorCounters;
}

/** Counters since the collector started, for status and metrics. */
export interface CollectorCounters {
  accepted: number;
  rejected: number;
  /** Warnings about accepted facts. */
  warnings: number;
  /** Rejected facts by the field that caused it. */
  readonly rejectedByField: Map<string, number>;
  /** Requests answered with 503. */
  unavailable: number;
}

export function newCounters(): CollectorCounters {
  return { accepted: 0, rejected: 0, warnings: 0, rejectedByField: new Map(), unavailable: 0 };
}

/** One item of a request. */
export type Candidate =
  | { readonly kind: 'fact'; readonly value: unknown; readonly warnings?: readonly Warning[] }
  | { readonly kind: 'refused'; readonly field: string; readonly reason: string }
  /** Valid, but does not become a fact. */
  | { readonly kind: 'passed'; readonly warnings: readonly Warning[] };

/** What the sender may send besides pageviews and edges. */
export interface IntakeRights {
  readonly mayExclude: boolean;
}

export interface IntakeAnswer {
  readonly accepted: number;
  readonly rejected: readonly { readonly index: number; readonly reason: string }[];
  readonly warnings: readonly (Warning & { readonly index: number })[];
  readonly moreWarnings?: number;
}

/** Maximum time of checking facts before the event loop gets a turn. */
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
   * Takes the items of a request in order. Throws `log-unavailable` if the log cannot accept facts right now: then no fact
   * is acknowledged.
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
    const rejectedFields: string[] = [];
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
        rejectedFields.push(outcome.field);
        continue;
      }
      if (outcome.fact !== undefined) records.push(encodeRecord(outcome.fact, urls));
      for (const warning of outcome.warnings)
        if (warnings.length < maxWarnings) warnings.push({ index, ...warning });
        else moreWarnings++;
    }
    await this.#append(records); // if it fails, the client sends all of them again: nothing is counted
    counters.rejected += rejected.length;
    for (const field of rejectedFields) countByName(counters.rejectedByField, field);
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

/** Rejects exclusions without the right to send them: they change all answers, including those about the past. */
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

/** Maximum number of names counted separately: clients choose some of them. */
const maxNames = 64;

/** Adds one to the count of a name; when there are `maxNames` names, new ones are counted as 'other'. */
export function countByName(counts: Map<string, number>, name: string): void {
  const known = counts.has(name) || counts.size < maxNames ? name : 'other';
  counts.set(known, (counts.get(known) ?? 0) + 1);
}
