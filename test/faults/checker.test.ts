/** The history checker on histories worked out by hand: nothing is found in a good one, and each kind in a bad one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Fact } from '../../facts/fact.js';
import { makeRules } from '../../facts/rules.js';
import { offset, type Offsets } from '../../log/log.js';
import { hourMs } from '../../lib/time/buckets.js';
import { placed } from '../oracle/ledger.js';
import { checkHistory, findingKinds, type FindingKind, type Stored } from './checker.js';
import { History, type Answered, type SentFact } from './history.js';

const counting = { rules: makeRules({ urlQueryAllow: [], bots: 'exclude' }), window: 100 };
const hour = 490_000;
const subject = { kind: 'page', url: 'https://example.com/' } as const;

function sentView(i: number): SentFact {
  const { url } = subject;
  return { type: 'pageview', visitor: `user:${i}`, url, timestamp: hour * hourMs, eventId: `e${i}` };
}

function cutAt(pageviews: number, equivs = 0): Offsets {
  return { 'pageviews/0': offset(pageviews), 'equivs/0': offset(equivs) };
}

function answer(change: Partial<Answered> = {}): Answered {
  const question = { client: 'a', what: 'uniques', subject, from: hour, to: hour + 1 } as const;
  return {
    ...question,
    value: 2,
    isFinal: true,
    generation: 'v1',
    batchCut: cutAt(1),
    cut: cutAt(2),
    ...change,
  };
}

function storedOf(facts: readonly SentFact[]): Stored {
  const log = placed(facts.map((fact): Fact => ({ ...fact, receivedAt: hour * hourMs })));
  const rows = log.map((each) => ({ ...each, eventId: each.fact.eventId }));
  return { log, foreign: [], end: cutAt(log.length), master: { cut: cutAt(log.length), rows } };
}

/** Three facts, all acknowledged and stored, and two answers. */
function good(): { history: History; stored: Stored } {
  const facts = [0, 1, 2].map(sentView);
  const history = new History();
  history.sending(facts);
  history.acknowledged(facts);
  history.answers.push(answer(), answer({ what: 'pageviews', value: 3, cut: cutAt(3) }));
  return { history, stored: storedOf(facts) };
}

type Spoil = (all: { history: History; stored: Stored }) => Stored | undefined;

const bad: readonly (readonly [FindingKind, string, Spoil])[] = [
  [
    'lost',
    'an acknowledged fact is not in the log',
    ({ history }) => {
      history.answers.pop();
      return storedOf([0, 1].map(sentView));
    },
  ],
  [
    'lost',
    'the master dataset lacks an offset below its cut',
    ({ stored }) => ({ ...stored, master: { cut: cutAt(3), rows: (stored.master?.rows ?? []).slice(1) } }),
  ],
  ['doubled', 'a fact sent once is in the log twice', () => storedOf([0, 1, 2, 2].map(sentView))],
  [
    'doubled',
    'the master dataset has an offset twice',
    ({ stored }) => {
      const rows = stored.master?.rows ?? [];
      return { ...stored, master: { cut: cutAt(3), rows: [...rows, ...rows.slice(0, 1)] } };
    },
  ],
  ['phantom', 'nobody sent it', () => storedOf([0, 1, 2, 3].map(sentView))],
  [
    'phantom',
    'it was sent with another visitor',
    () => storedOf([sentView(0), sentView(1), { ...sentView(2), visitor: 'x' } as SentFact]),
  ],
  [
    'phantom',
    'a record is not a fact',
    ({ stored }) => ({ ...stored, foreign: [{ partition: 'pageviews/0', offset: 3 }] }),
  ],
  [
    'phantom',
    'the master dataset has another fact at that offset',
    ({ stored }) => {
      const rows = (stored.master?.rows ?? []).map((row) => ({
        ...row,
        eventId: row.offset === 1 ? 'e2' : row.eventId,
      }));
      return { ...stored, master: { cut: cutAt(3), rows } };
    },
  ],
  [
    'cut-back',
    'an answer is of an earlier cut than the one before',
    ({ history }) => void history.answers.push(answer()),
  ],
  [
    'no-such-cut',
    'an answer names a cut beyond the log',
    ({ history }) => void history.answers.push(answer({ value: 3, cut: cutAt(4) })),
  ],
  [
    'no-such-cut',
    'a batch view reaches further than the answer made from it',
    ({ history }) => void history.answers.push(answer({ client: 'b', batchCut: cutAt(3) })),
  ],
  [
    'wrong-answer',
    'a visitor counts who came after the cut',
    ({ history }) => void history.answers.push(answer({ client: 'b', value: 3 })),
  ],
  [
    'wrong-answer',
    'an answer without a number',
    ({ history }) => void history.answers.push(answer({ client: 'b', value: undefined })),
  ],
  [
    'wrong-answer',
    'pageviews count twice where the views meet',
    ({ history }) => void history.answers.push(answer({ client: 'b', what: 'pageviews', value: 3 })),
  ],
];

test('nothing is found in a good history', () => {
  const { history, stored } = good();
  assert.deepEqual(checkHistory(history, stored, counting), []);
});

test('a fact that was sent again may be in the log again, and counts once', () => {
  const { history } = good();
  history.sending([sentView(2)]);
  history.answers.push(answer({ client: 'b', value: 3, cut: cutAt(4) }));
  assert.deepEqual(checkHistory(history, storedOf([0, 1, 2, 2].map(sentView)), counting), []);
});

test('an unacknowledged fact may be stored or not', () => {
  const { history, stored } = good();
  history.sending([sentView(3)]);
  assert.deepEqual(checkHistory(history, stored, counting), []);
  assert.deepEqual(checkHistory(history, storedOf([0, 1, 2, 3].map(sentView)), counting), []);
});

test('an edge joins people as soon as the cut of an answer reaches it, a retraction parts them from the next batch view on', () => {
  const { history } = good();
  const edge: SentFact = { type: 'equiv', a: 'user:0', b: 'user:1', timestamp: hour * hourMs, eventId: 'e9' };
  const retraction: SentFact = { ...edge, type: 'retract', eventId: 'e10' };
  history.sending([edge, retraction]);
  history.answers.push(
    answer({ client: 'b', value: 3, batchCut: cutAt(3), cut: cutAt(3) }),
    answer({ client: 'c', value: 2, batchCut: cutAt(3), cut: cutAt(3, 1) }),
    answer({ client: 'd', value: 2, batchCut: cutAt(3, 1), cut: cutAt(3, 2) }),
    answer({ client: 'e', value: 3, batchCut: cutAt(3, 2), cut: cutAt(3, 2) }),
    answer({ client: 'f', value: 3, isFinal: false, batchCut: cutAt(3), cut: cutAt(3, 1) }), // still being read
  );
  const facts = [...[0, 1, 2].map(sentView), edge, retraction];
  const stored = { ...storedOf(facts), end: cutAt(3, 2), master: undefined };
  assert.deepEqual(checkHistory(history, stored, counting), []);
  history.answers.push(answer({ client: 'g', value: 3, batchCut: cutAt(3), cut: cutAt(3, 1) }));
  assert.deepEqual(
    checkHistory(history, stored, counting).map(({ kind }) => kind),
    ['wrong-answer'],
    'it says that the edge was read',
  );
});

for (const [kind, name, spoil] of bad) {
  test(`found as ${kind}: ${name}`, () => {
    const all = good();
    const stored = spoil(all) ?? all.stored;
    const kinds = new Set(checkHistory(all.history, stored, counting).map((finding) => finding.kind));
    assert.deepEqual([...kinds], [kind]);
  });
}

test('every kind of finding has a bad history here', () => {
  assert.deepEqual(new Set(bad.map(([kind]) => kind)), new Set(findingKinds));
});
