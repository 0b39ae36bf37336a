/**
 * The history checker. What it looks for, given what clients have seen and what is stored afterwards:
 *
 *   lost          a fact was acknowledged and is not in the log; or it is in the log below the master dataset's cut, and
 *                 not in the master dataset
 *   doubled       the log has a fact more often than it was sent, or the master dataset has an offset twice
 *   phantom       the log has what no client sent, or the master dataset what the log does not have there
 *   cut-back      a client's answer is of an earlier cut than its answer before
 *   no-such-cut   an answer names a cut beyond the end of the log, or one of its batch view beyond its own
 *   wrong-answer  an answer is not what the oracle says at the cuts it names; one that says that edges were still being read may
 *                 know only the first of them
 *
 * A fact may be in the log as often as it was sent: the client that got no answer sends it again, and repeats do not
 * count, which the oracle knows.
 */
import type { Fact } from '../../facts/fact.js';
import { namesOf, reaches } from '../../log/cut.js';
import type { Offsets, PartitionName } from '../../log/log.js';
import { nameOf } from '../oracle/compare.js';
import { OracleAnswers } from '../oracle/answers.js';
import type { Placed } from '../oracle/oracle.js';
import type { Rules } from '../../facts/rules.js';
import type { Answered, History, SentFact } from './history.js';

export const findingKinds = [
  'lost',
  'doubled',
  'phantom',
  'cut-back',
  'no-such-cut',
  'wrong-answer',
] as const;
export type FindingKind = (typeof findingKinds)[number];

export interface Finding {
  readonly kind: FindingKind;
  /** With the fact, place or question it is about. */
  readonly what: string;
}

export interface MasterRow {
  readonly partition: PartitionName;
  readonly offset: number;
  readonly eventId: string;
}

/** What is there when the dust has settled. */
export interface Stored {
  /** All facts of the log; a record that is not one stands in `foreign`. */
  readonly log: readonly Placed[];
  readonly foreign: readonly { readonly partition: PartitionName; readonly offset: number }[];
  readonly end: Offsets;
  readonly master: { readonly cut: Offsets; readonly rows: readonly MasterRow[] } | undefined;
}

/** How the system under test counts. */
export interface Counting {
  readonly rules: Rules;
  /** Offsets. */
  readonly window: number;
}

const maxFindings = 20;

/** @param answers those to be held against the oracle; all by default */
export function checkHistory(
  history: History,
  stored: Stored,
  counting: Counting,
  answers: readonly Answered[] = history.answers,
): readonly Finding[] {
  return [
    ...checkLog(history, stored),
    ...checkMaster(stored),
    ...checkCuts(history.answers, stored.end),
    ...checkAnswers(answers, stored.log, counting),
  ].slice(0, maxFindings);
}

function* checkLog(history: History, { log, foreign }: Stored): Generator<Finding> {
  const copies = new Map<string, number>();
  for (const { partition, offset, fact } of log) {
    const sent = history.sent.get(fact.eventId);
    const what = `${partition} ${offset}: ${JSON.stringify(fact)}`;
    if (sent === undefined) yield { kind: 'phantom', what: `${what} was never sent` };
    else if (!isSame(sent.fact, fact)) {
      yield { kind: 'phantom', what: `${what} was sent as ${JSON.stringify(sent.fact)}` };
    }
    copies.set(fact.eventId, (copies.get(fact.eventId) ?? 0) + 1);
  }
  for (const { partition, offset } of foreign) {
    yield { kind: 'phantom', what: `${partition} ${offset} does not hold a fact` };
  }
  for (const [eventId, { attempts, acknowledged }] of history.sent) {
    const count = copies.get(eventId) ?? 0;
    if (acknowledged && count === 0)
      yield { kind: 'lost', what: `${eventId} was acknowledged and is not in the log` };
    if (count > attempts) {
      yield {
        kind: 'doubled',
        what: `${eventId} was sent ${attempts} times and is in the log ${count} times`,
      };
    }
  }
}

function isSame(sent: SentFact, fact: Fact): boolean {
  const stored: Readonly<Record<string, unknown>> = { ...fact };
  return Object.entries(sent).every(([field, value]) => stored[field] === value);
}

function* checkMaster({ log, master }: Stored): Generator<Finding> {
  if (master === undefined) return;
  const inLog = new Map(log.map(({ partition, offset, fact }) => [`${partition} ${offset}`, fact.eventId]));
  const seen = new Set<string>();
  for (const { partition, offset, eventId } of master.rows) {
    const place = `${partition} ${offset}`;
    if (seen.has(place)) yield { kind: 'doubled', what: `${place} is in the master dataset twice` };
    seen.add(place);
    const expected = inLog.get(place);
    if (expected !== eventId) {
      yield {
        kind: 'phantom',
        what: `${place} is ${eventId} in the master dataset, ${expected ?? 'nothing'} in the log`,
      };
    }
  }
  for (const { partition, offset } of log) {
    if (offset < (master.cut[partition] ?? 0) && !seen.has(`${partition} ${offset}`)) {
      yield {
        kind: 'lost',
        what: `${partition} ${offset} lies below the master dataset's cut and is not in it`,
      };
    }
  }
}

function* checkCuts(answers: readonly Answered[], end: Offsets): Generator<Finding> {
  const reached = new Map<string, Offsets>();
  for (const { client, batchCut, cut, generation } of answers) {
    const before = reached.get(client);
    if (before !== undefined && !reaches(cut, before)) {
      const what = `client ${client}, generation ${generation}: ${show(cut)} after ${show(before)}`;
      yield { kind: 'cut-back', what };
    }
    reached.set(client, cut);
    if (!reaches(end, cut)) yield { kind: 'no-such-cut', what: `${show(cut)}; the log ends at ${show(end)}` };
    if (!reaches(cut, batchCut)) {
      yield { kind: 'no-such-cut', what: `${show(cut)} lies before its batch view's ${show(batchCut)}` };
    }
  }
}

function* checkAnswers(
  answers: readonly Answered[],
  log: readonly Placed[],
  { rules, window }: Counting,
): Generator<Finding> {
  const oracle = new OracleAnswers(() => log, { rules, window });
  for (const { what, subject, from, to, value, isFinal, batchCut, cut, generation } of answers) {
    const { visitors, pageviews } = oracle.count(batchCut, cut, subject, from, to);
    const expected = what === 'uniques' ? visitors : pageviews;
    if (value === expected) continue;
    if (what === 'uniques' && !isFinal && value !== undefined) {
      if (oracle.visitorsWithSomeEdges(batchCut, cut, subject, from, to).has(value)) continue;
    }
    const question = `${what} of ${nameOf(subject)} in hours [${from}, ${to})`;
    const where = `generation ${generation}, batch cut ${show(batchCut)}, cut ${show(cut)}`;
    yield { kind: 'wrong-answer', what: `${question}: ${value}, and ${expected} is right; ${where}` };
  }
}

function show(cut: Offsets): string {
  return namesOf(cut)
    .map((name) => `${name}:${cut[name]}`)
    .join(' ');
}
