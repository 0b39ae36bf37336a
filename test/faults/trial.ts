/** One system under load through many rounds: hurt it, let it recover, hold all that clients saw against what is stored. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { reaches } from '../../log/cut.js';
import type { Offsets } from '../../log/log.js';
import { below, seededRandom } from '../../topology/random.js';
import { eventually } from '../eventually.js';
import { checkHistory, type Finding } from './checker.js';
import { History, type Answered } from './history.js';
import { SystemUnderTest, rolesApart, type SystemOptions, type Part } from './system-under-test.js';
import { Load, askOne, requested, type Random } from './load.js';

/** Answers are held against the oracle at so many of a round's cuts, evenly spread: each costs a count of everything. */
const maxCutsChecked = 25;
const recoveryMs = 90_000;
/** A round in which clients saw nothing proves nothing. */
const [factsBefore, factsAfter] = [60, 20];

export class Trial {
  readonly system: SystemUnderTest;
  readonly history = new History();
  readonly #parts: readonly Part[];
  #answersSeen = 0;
  #round = 0;

  static async start(
    t: TestContext,
    layout: 'together' | 'apart',
    options: SystemOptions = {},
  ): Promise<Trial> {
    const system = await SystemUnderTest.make(t, options);
    const trial = new Trial(system, layout === 'together' ? ['all'] : rolesApart);
    t.after(() => {
      const { acknowledgedCount, answers, refused } = trial.history;
      t.diagnostic(
        `${acknowledgedCount} facts acknowledged, ${answers.length} answers, ${refused} requests refused or unanswered`,
      );
    });
    trial.startMissing();
    return trial;
  }

  private constructor(system: SystemUnderTest, parts: readonly Part[]) {
    this.system = system;
    this.#parts = parts;
  }

  /** What a supervisor does. */
  startMissing(): void {
    this.system.restartEnded();
    for (const part of this.#parts) if (!this.system.isRunning(part)) this.system.start(part);
  }

  /** A round: `hurt` under load, then everything must come right. Returns what `hurt` returns. */
  async round<T>(random: Random, hurt: () => Promise<T>): Promise<T> {
    await this.settle();
    const ofLoad = seededRandom(random(2 ** 31)); // of its own: clients draw from it in an order that no seed repeats
    const load = new Load(
      () => this.system,
      this.history,
      (bound) => below(ofLoad, bound),
      `r${this.#round++}`,
    );
    let result: T;
    try {
      await this.#untilMoved(factsBefore);
      result = await hurt();
      await this.#untilMoved(factsAfter);
    } finally {
      await load.stop();
    }
    await this.settle();
    await this.check();
    return result;
  }

  /** Waits until clients have been told of so many more facts that they are durable, and have got an answer. */
  async #untilMoved(facts: number): Promise<void> {
    const { acknowledgedCount, answers } = this.history;
    const least = acknowledgedCount + facts;
    const answered = answers.length;
    const isMoved = (): true | undefined => {
      this.startMissing();
      return (this.history.acknowledgedCount >= least && answers.length > answered) || undefined;
    };
    await eventually('acknowledgements and answers', isMoved, recoveryMs);
  }

  /** Waits until answers are made of every fact in the log. No load must run. */
  async settle(): Promise<void> {
    let end: Offsets | undefined;
    let last: unknown;
    const isSettled = async (): Promise<true | undefined> => {
      this.startMissing();
      const answer = await askOne(this.system.origin, 'settle', this.history, () => 0);
      if (answer === false) return undefined;
      end ??= await this.system.withLog((log) => log.latest()); // a writer that answers has repaired the end
      last = { end, freshness: answer.freshness };
      return reaches(answer.freshness.realtime?.cut ?? {}, end) || undefined;
    };
    try {
      await eventually('answers of everything in the log', isSettled, recoveryMs);
    } catch (error) {
      const ends = this.#parts.map((part) => `${part}: ${this.system.stderr(part)}`);
      throw new Error(`no recovery; last seen ${JSON.stringify(last)}\n${ends.join('\n')}`, { cause: error });
    }
  }

  async check(): Promise<void> {
    const stored = await this.system.stored(this.history);
    const recent = this.history.answers.slice(this.#answersSeen);
    this.#answersSeen = this.history.answers.length;
    const findings = checkHistory(this.history, stored, this.system.counting, sampleOf(recent));
    assertNone(findings);
  }

  /** Asks for a batch run; false when it was not taken on. */
  async askForRun(): Promise<boolean> {
    const answer = await requested(`${this.system.origin}/v1/batches`, { method: 'POST' });
    return answer?.status === 202;
  }
}

export function assertNone(findings: readonly Finding[]): void {
  assert.deepEqual(
    findings.map(({ kind, what }) => `${kind}: ${what}`),
    [],
  );
}

function sampleOf(answers: readonly Answered[]): Answered[] {
  const byCuts = new Map<string, Answered[]>();
  for (const answer of answers) {
    const cuts = JSON.stringify([answer.batchCut, answer.cut]);
    const known = byCuts.get(cuts);
    if (known === undefined) byCuts.set(cuts, [answer]);
    else known.push(answer);
  }
  const step = Math.max(1, byCuts.size / maxCutsChecked);
  return [...byCuts.values()].filter((_, i) => Math.floor(i / step) !== Math.floor((i - 1) / step)).flat();
}
