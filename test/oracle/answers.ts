/** What an answer must say at the cuts it names. Most are asked at the same cuts as the one before: its tally is kept. */
import type { Rules } from '../../facts/rules.js';
import { offset, type Offsets, type PartitionName } from '../../log/log.js';
import type { Subject } from '../../facts/views/view.js';
import { nameOf } from './compare.js';
import { generationTally } from './layers.js';
import { livePersonsOf, over, type Placed, type Tally } from './oracle.js';

/** All edges lie in it. */
const edgePartition: PartitionName = 'equivs/0';

export class OracleAnswers {
  readonly #ledger: () => readonly Placed[];
  readonly #rules: Rules;
  readonly #window: number;
  #last: { readonly name: string; readonly tally: Tally } | undefined;

  /** @param ledger asked for each new cut: it may grow, at its end */
  constructor(ledger: () => readonly Placed[], counting: { readonly rules: Rules; readonly window: number }) {
    this.#ledger = ledger;
    this.#rules = counting.rules;
    this.#window = counting.window;
  }

  /** Of a subject over the hours [from, to), where the batch view ends at `batchCut` and the realtime view at `cut`. */
  count(
    batchCut: Offsets,
    cut: Offsets,
    subject: Subject,
    from: number,
    to: number,
  ): { visitors: number; pageviews: number } {
    const { pageviews, people } = over(this.#at(batchCut, cut), nameOf(subject), from, to);
    return { visitors: people.size, pageviews };
  }

  /** The visitors that an answer may count while the edges that wait are being read: with none of them, the first one, the first two, ... */
  visitorsWithSomeEdges(
    batchCut: Offsets,
    cut: Offsets,
    subject: Subject,
    from: number,
    to: number,
  ): ReadonlySet<number> {
    const counts = new Set<number>();
    for (let edges = batchCut[edgePartition] ?? 0; edges < (cut[edgePartition] ?? 0); edges++) {
      const tally = this.#tally(batchCut, cut, { ...cut, [edgePartition]: offset(edges) });
      counts.add(over(tally, nameOf(subject), from, to).people.size);
    }
    return counts;
  }

  #at(batchCut: Offsets, cut: Offsets): Tally {
    const name = JSON.stringify([batchCut, cut]);
    if (this.#last?.name !== name) this.#last = { name, tally: this.#tally(batchCut, cut, cut) };
    return this.#last.tally;
  }

  /** @param edgeCut before which the edges lie that count */
  #tally(batchCut: Offsets, cut: Offsets, edgeCut: Offsets): Tally {
    const ledger = this.#ledger();
    const personOf = livePersonsOf(ledger, batchCut, edgeCut, this.#rules);
    const generation = { from: batchCut, personOf, window: this.#window, rules: this.#rules };
    return generationTally(ledger, generation, cut);
  }
}
