/**
 * People on a domain now: those with a pageview whose timestamp and arrival both lie in the last minutes, counted exactly from the tail of the log.
 * Persons are resolved as in every other answer, by the batch view's mapping and later edges.
 */
import { compareUtf8 } from '../../facts/fact.js';
import type { BatchView } from '../../facts/views/view.js';
import { parsePartitionName, type Cut, type PartitionName } from '../../log/log.js';
import type { Bodies } from '../bodies.js';
import type { Engine } from '../engine/engine.js';
import type { PinnedGeneration } from '../engine/generations.js';
import type { Pace } from '../engine/pace.js';
import { sortPaced } from '../engine/paced-sort.js';
import { column } from '../formats/table.js';
import type { LiveIdentity } from '../identity/live-identity.js';
import type { Recent } from '../now/log-tail.js';
import { waitingIn, type Answer } from './answer.js';
import { freshnessOf } from './freshness.js';

export interface NowQuestion {
  readonly domain: string;
  readonly minutes: number;
  /** Maximum number of pages listed. */
  readonly limit: number;
}

export async function now(
  engine: Engine,
  generation: PinnedGeneration,
  { domain, minutes, limit }: NowQuestion,
  pace: Pace,
): Promise<Answer<Bodies['now']>> {
  const { batch } = generation;
  const identity = await engine.edges.of(generation, pace);
  const recent = await engine.recent.recent();
  const to = engine.clock();
  const from = to - minutes * 60_000;
  const views = recent.views.of(domain, from, batch);
  const coveredFrom = Math.max(from, recent.views.coveredFrom);
  const people = new People(batch, identity);
  const pages = new Map<string, Set<string>>();
  for (const view of views) {
    if (view !== undefined) {
      const person = people.add(view.visitor);
      const ofPage = pages.get(view.page);
      if (ofPage === undefined) pages.set(view.page, new Set([person]));
      else ofPage.add(person);
    }
    if (pace.due) await pace.rest();
  }
  const ranked = await sortPaced(
    [...pages].map(([url, { size }]) => ({ url, visitors: size })),
    (a, b) => b.visitors - a.visitors || compareUtf8(a.url, b.url),
    pace,
  );
  const listed = ranked.slice(0, limit);
  return {
    body: {
      data: {
        domain,
        from: instant(from),
        to: instant(to),
        visitors: people.count,
        pages: listed,
        more: ranked.length > limit,
      },
      accuracy: {
        method: 'count',
        exact: coveredFrom === from && people.isSettled,
        coveredFrom: instant(coveredFrom),
        rewritten: people.rewritten,
        ...waitingIn(generation),
        ...engine.scopeOf([{ kind: 'domain', domain }]),
      },
      freshness: freshnessOf(
        engine,
        {
          batch,
          realtime: {
            cut: cutOf(generation, recent),
            lastReceivedAt: recent.lastReceivedAt,
            deadLetters: generation.realtime?.deadLetters ?? 0,
          },
        },
        { from: Math.floor(from / engine.width.ms), to: Math.ceil(to / engine.width.ms) },
      ),
      rules: engine.rules,
    },
    table: {
      columns: [column('url', 'text'), column('visitors', 'count')],
      rows: listed.map(({ url, visitors }) => [url, visitors]),
    },
  };
}

/** The cut of the answer: the tail's positions for pageviews, the generation's for edges. */
function cutOf({ cut }: PinnedGeneration, { logId, next }: Recent): Cut {
  const edges = Object.entries(cut.next).filter(([name]) => isOfEdges(name as PartitionName));
  return { logId, next: { ...next, ...Object.fromEntries(edges) } };
}

function isOfEdges(name: PartitionName): boolean {
  return parsePartitionName(name).topic === 'equivs';
}

/** Resolves visitor ids to persons and counts them. */
class People {
  /** Whether no waiting edge can change the ids of these persons. */
  isSettled = true;
  readonly #batch: BatchView;
  readonly #identity: LiveIdentity;
  readonly #personOf = new Map<string, string>();
  readonly #persons = new Set<string>();
  readonly #ofBatch = new Set<string>();

  constructor(batch: BatchView, identity: LiveIdentity) {
    this.#batch = batch;
    this.#identity = identity;
  }

  get count(): number {
    return this.#persons.size;
  }

  /** Number of persons of the batch view that are merged into others. */
  get rewritten(): number {
    return this.#ofBatch.size - this.#persons.size;
  }

  /** Returns the PersonID of a visitor. */
  add(visitor: string): string {
    const known = this.#personOf.get(visitor);
    if (known !== undefined) return known;
    const ofBatch = this.#batch.personOf(visitor);
    const person = this.#identity.personIdOf(ofBatch);
    this.#personOf.set(visitor, person);
    this.#ofBatch.add(ofBatch);
    this.#persons.add(person);
    if (this.isSettled && this.#identity.mayChange(ofBatch)) this.isSettled = false;
    return person;
  }
}

function instant(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
