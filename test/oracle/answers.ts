/** What an answer must say at the cuts it names. Most are asked at the same cuts as the one before: its tally is kept. */
import type { Rules } from '../../facts/rules.js';
import type { Offsets } from '../../log/log.js';
import type { Subject } from '../../facts/views/view.js';
import { nameOf } from './compare.js';
import { generationTally } from './layers.js';
import { livePersonsOf, over, type Placed, type Tally } from './oracle.js';

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

  #at(batchCut: Offsets, cut: Offsets): Tally {
    const name = JSON.stringify([batchCut, cut]);
    if (this.#last?.name !== name) {
      const ledger = this.#ledger();
      const personOf = livePersonsOf(ledger, batchCut, cut);
      const generation = { from: batchCut, personOf, window: this.#window, rules: this.#rules };
      this.#last = { name, tally: generationTally(ledger, generation, cut) };
    }
    return this.#last.tally;
  }
}
