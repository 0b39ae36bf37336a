/**
 * Both real layers at work on one history: the sink and batch runs over a master dataset, and the speed layer over the same
 * log. Every batch view, and the two layers together wherever the history asks for it, are compared with the oracle.
 */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { configWith, type Config } from '../../lib/config/config.js';
import { openDataDir } from '../../lib/files/data-dir.js';
import { SwaError } from '../../lib/errors/errors.js';
import { Exclusions } from '../../facts/exclusions.js';
import { exclusionKinds, isEdge, isExclusion } from '../../facts/fact.js';
import { testErasures } from '../../facts/test/erasures.js';
import { makeRules, type Rules } from '../../facts/rules.js';
import { namesOf, offsetAt, reaches, zeroOffsets } from '../../log/cut.js';
import { offset, type Offsets } from '../../log/log.js';
import type { BatchView, LocalRealtimeView, ViewId } from '../../facts/views/view.js';
import { readCurrent } from '../../serving/current.js';
import { ensureGenesis, openView } from '../../serving/store.js';
import { openRealtime, type Realtime } from '../../speed/store/read-side.js';
import { assertEdgesEqual } from '../../speed/test/edges.js';
import { MemoryLog } from '../../speed/test/memory-log.js';
import { assertTogetherEqual, assertViewEquals } from '../oracle/compare.js';
import { generationTally } from '../oracle/layers.js';
import {
  before,
  countedEdges,
  countedViews,
  liveExclusions,
  isErased,
  livePairs,
  personsOf,
  since,
  type LogPosition,
  type Placed,
} from '../oracle/oracle.js';
import { runBatchAt } from './batch-run.js';
import { pageviewPartitions, type History, type Step } from './history.js';
import { Producers } from './producers.js';
import { lateBefore } from './records.js';
import type { Seen } from './seen.js';
import { SpeedSide, type StallingCommits } from './speed-side.js';

const rules: Rules = { ...makeRules({ urlQueryAllow: [], bots: 'exclude' }), erasures: testErasures };

export class LawSystem {
  readonly #config: Config;
  readonly #seen: Seen;
  readonly #log: MemoryLog;
  readonly #producers: Producers;
  readonly #speed: SpeedSide;
  readonly #realtime: Realtime;
  readonly #views = new Map<ViewId, BatchView>();
  #current: ViewId;
  #reached: Partial<Offsets> = {};

  /** @param dataDir must not exist */
  static async start(
    dataDir: string,
    history: History,
    commits: StallingCommits,
    seen: Seen,
  ): Promise<LawSystem> {
    const { lgK, bucketMinutes, window } = history;
    const config = configWith({ dataDir, lgK, bucketMinutes, dedupWindow: window });
    openDataDir(config);
    const system = new LawSystem(config, history, commits, seen);
    const cut = { logId: system.#log.id, next: zeroOffsets(system.#log.partitions) };
    const genesis = { cut, lgK, bucketMinutes, rules, createdAt: 0 };
    await ensureGenesis(dataDir, genesis);
    system.#publish(readCurrent(dataDir));
    await system.#advance();
    return system;
  }

  private constructor(
    config: Config,
    { epochTuples, equivPartitions }: History,
    commits: StallingCommits,
    seen: Seen,
  ) {
    this.#config = config;
    this.#seen = seen;
    this.#log = new MemoryLog(pageviewPartitions, equivPartitions);
    this.#producers = new Producers(this.#log);
    this.#realtime = openRealtime(config.dataDir);
    const onProgress = (): void => void this.#look();
    this.#speed = new SpeedSide({ config, log: this.#log, rules, epochTuples, commits, seen, onProgress });
    this.#current = '' as ViewId; // until `start` publishes one
  }

  async take(step: Step): Promise<void> {
    switch (step.kind) {
      case 'epochs':
        return this.#advance(step.records);
      case 'batch':
        return this.#runBatch(step.shares);
      case 'stall':
        return this.#speed.stall(step.commits, step.dies, this.#current);
      case 'restart':
        return this.#speed.restart(step.reboot);
      case 'lose':
        return this.#speed.lose(step.next, step.partition);
      case 'check':
        this.#check();
        return;
      default:
        this.#producers.tell(step);
    }
  }

  /** Brings everything in and hands over to a last batch run: then there must be all of it to see. */
  async finish(): Promise<void> {
    await this.#advance();
    this.#check();
    await this.#runBatch(this.#log.partitions.map(() => 1));
    for (let turns = 0; this.#speed.serving !== this.#current; turns++) {
      assert.ok(turns < this.#views.size, 'the last batch view takes over');
      await this.#advance();
    }
    assert.deepEqual(this.#check(), this.#log.end());
    this.#countFacts();
  }

  async end(): Promise<void> {
    await this.#speed.stop();
    for (const view of this.#views.values()) view.close();
    await this.#realtime.close();
    rmSync(this.#config.dataDir, { recursive: true, force: true });
  }

  #advance(records?: readonly number[]): Promise<void> {
    return this.#speed.advance(this.#current, records);
  }

  /** A run at the cut that lies these shares of the way from the last one's to the log's end. */
  async #runBatch(shares: readonly number[]): Promise<void> {
    const previous = this.#view(this.#current).meta;
    const end = this.#log.end();
    const next = Object.fromEntries(
      namesOf(end).map((name, i) => {
        const from = offsetAt(previous.cut.next, name);
        return [name, offset(from + Math.floor((offsetAt(end, name) - from) * (shares[i] ?? 0)))];
      }),
    );
    const { id, statistics } = await runBatchAt(this.#config, this.#log, rules, next, previous);
    this.#publish(id);
    const ledger = before(this.#producers.ledger, next);
    const view = this.#view(id);
    this.#add(assertViewEquals(view, ledger, rules));
    const { views, uncounted } = countedViews(ledger, rules);
    const { pageviews, repeats, botPageviews, refusedUrls, excludedPageviews, liveEdges } = statistics;
    assert.deepEqual(
      {
        pageviews,
        repeats,
        botsAndRefused: botPageviews + refusedUrls,
        excluded: excludedPageviews,
        liveEdges,
        exclusions: statistics.liveExclusions,
        exclusionRecords: statistics.exclusionRecords,
      },
      {
        pageviews: views.length,
        repeats: uncounted.repeat,
        botsAndRefused: uncounted.bot + uncounted.refusedUrl,
        excluded: uncounted.excluded,
        liveEdges: livePairs(ledger, rules).length,
        exclusions: liveExclusions(ledger, rules).length,
        exclusionRecords: ledger.filter(({ fact }) => isExclusion(fact)).length,
      },
      'statistics of the run',
    );
    this.#seen.batchRuns++;
    this.#seen.joinedIds += view.meta.counts.mappedIds;
    this.#countExcluded(ledger);
  }

  #publish(id: ViewId): void {
    this.#current = id;
    this.#views.set(id, openView(this.#config.dataDir, id));
  }

  #view(id: ViewId): BatchView {
    const view = this.#views.get(id);
    assert.ok(view !== undefined, id);
    return view;
  }

  /** Returns the cut that was compared; undefined when the realtime view is being made again. */
  #check(): Offsets | undefined {
    return this.#look((snapshot) => this.#assertLaw(this.#view(snapshot.generation), snapshot));
  }

  /** No cut lies behind one that was seen before. */
  #look(visit: (snapshot: LocalRealtimeView) => void = () => undefined): Offsets | undefined {
    let snapshot: LocalRealtimeView | undefined;
    try {
      snapshot = this.#realtime.snapshot();
    } catch (error) {
      if (!(error instanceof SwaError && error.retryable)) throw error;
      this.#seen.rebuilding++;
      return undefined;
    }
    if (snapshot === undefined) return undefined; // the first generation is being made
    try {
      const { next } = snapshot.cut;
      assert.ok(reaches(next, this.#reached), `a cut goes back from ${show(this.#reached)} to ${show(next)}`);
      this.#reached = next;
      visit(snapshot);
      return next;
    } finally {
      snapshot.release();
    }
  }

  #assertLaw(batch: BatchView, realtime: LocalRealtimeView): void {
    const { ledger } = this.#producers;
    const from = batch.meta.cut.next;
    const cut = realtime.cut.next;
    const { dedupWindow: window, bucketMinutes } = this.#config;
    const personOf = personsOf(before(ledger, from), rules);
    const tally = generationTally(ledger, { from, personOf, window, rules, bucketMinutes }, cut);
    this.#add(assertTogetherEqual(batch, realtime, tally));
    const excluding = before(ledger, from);
    assertEdgesEqual(realtime, this.#log.records, from, Infinity, isErased(excluding, rules));
    const afterCut = before(since(ledger, from), cut);
    const { views } = countedViews(before(ledger, cut), rules, { excluding: before(ledger, from) });
    this.#seen.repeatsBeyondWindow += tally.pageviews - views.length;
    this.#seen.edgesAfterCut += afterCut.filter(({ fact }) => isEdge(fact)).length;
    const waiting = afterCut.filter(({ fact }) => isExclusion(fact)).length;
    assert.equal(realtime.exclusionsAfterBatchCut, waiting, 'exclusions that wait');
    this.#seen.exclusionsAfterCut += waiting;
    this.#seen.excludedAfterCut += countedViews(afterCut, rules, { excluding }).uncounted.excluded;
    this.#seen.checks++;
  }

  #add({ cells, registers }: { readonly cells: number; readonly registers: number }): void {
    this.#seen.cells += cells;
    this.#seen.registers += registers;
  }

  #countExcluded(ledger: readonly Placed[]): void {
    const live = liveExclusions(ledger, rules);
    const told = ledger.filter(({ fact }) => fact.type === 'exclude').length;
    this.#seen.includes += told - live.length;
    for (const by of exclusionKinds) {
      const exclusions = new Exclusions(
        live.filter((rule) => rule.by === by),
        rules,
      );
      for (const { fact } of ledger) {
        if (fact.type !== 'pageview') continue;
        const page = rules.url.normalize(fact.url);
        if (page.ok && exclusions.excludes({ ...fact, page: page.url }))
          this.#seen.excluded[by] = (this.#seen.excluded[by] ?? 0) + 1;
      }
    }
    const withAll = new Set(countedViews(ledger, rules, { excluding: [] }).views.map(placeOf));
    const { views } = countedViews(ledger, rules);
    this.#seen.repeatsOfExcluded += views.filter((view) => !withAll.has(placeOf(view))).length;
  }

  #countFacts(): void {
    const { ledger, invalid } = this.#producers;
    const { views, uncounted } = countedViews(ledger, rules);
    for (const { name } of rules.dimensions.kept) {
      const values = new Set(views.map((view) => view.values.get(name)));
      this.#seen.values[name] = Math.max(this.#seen.values[name] ?? 0, values.size);
    }
    const edges = ledger.filter(({ fact }) => isEdge(fact));
    this.#seen.facts += ledger.length;
    this.#seen.invalidRecords += invalid;
    this.#seen.repeats += uncounted.repeat;
    this.#seen.bots += uncounted.bot;
    this.#seen.repeatedEdges += edges.length - countedEdges(ledger).length;
    this.#seen.retractions += edges.filter(({ fact }) => fact.type === 'retract').length;
    this.#seen.lateFacts += ledger.filter(({ fact }) => fact.timestamp < lateBefore).length;
  }
}

function placeOf({ partition, offset: at }: LogPosition): string {
  return `${partition} ${at}`;
}

function show(next: Partial<Offsets>): string {
  return JSON.stringify(next);
}
