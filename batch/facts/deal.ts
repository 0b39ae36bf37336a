/** Deals the star's pageviews that count to the shards of their domains, each as five numbers (fact-store.ts). */
import { murmur2 } from '../../lib/log/partitioner.js';
import { hourMs } from '../../lib/time/buckets.js';
import type { Star, StarFacts } from '../../master-data/star/star.js';
import type { People } from '../persons/people.js';
import { isRepeat, readPageviews, timeOf, verdictOf, verdicts, type Deciding } from './counted.js';
import { newFactBatch, shardCount, type FactStore } from './fact-store.js';

const batchRows = 4096;

export class Dealer {
  /** How many rows have each verdict. */
  readonly rowsWith = new Float64Array(Object.keys(verdicts).length);
  /** Hour by hour number, in order of appearance. */
  readonly hours: number[] = [];
  /** Pageviews by page number. */
  readonly pageviews: Float64Array;
  /** Where the facts of every domain lie: by its name, so that it depends on nothing else. */
  readonly shardOfDomain: Uint32Array;
  /** By person number: 1 for those with a fact. */
  readonly seen: Uint8Array;
  readonly #star: Star;
  readonly #people: People;
  readonly #deciding: Deciding;
  readonly #store: FactStore;
  readonly #shardOfPage: Uint8Array;
  readonly #hourNumbers = new Map<number, number>();
  readonly #batch = newFactBatch(batchRows);
  #filled = 0;
  /** Of the last fact: facts in order of time mostly stay in one. */
  #hour = { from: 0, to: 0, number: 0 };

  constructor(star: Star, people: People, store: FactStore) {
    this.#star = star;
    this.#people = people;
    this.#deciding = { pageOfUrl: star.pageOfUrl, bots: star.bots, ofVisitor: people.ofVisitor };
    this.#store = store;
    this.pageviews = new Float64Array(star.pages.count);
    this.seen = new Uint8Array(people.count);
    this.shardOfDomain = Uint32Array.from(star.domains, (domain) => murmur2(Buffer.from(domain)) % shardCount);
    this.#shardOfPage = Uint8Array.from(
      { length: star.pages.count },
      (_, page) => this.shardOfDomain[star.domainOfPage[page] ?? 0] ?? 0,
    );
  }

  /** The first `rows` rows of a file; `repeats` has a bit for each that is one. */
  deal(facts: StarFacts, rows: number, repeats: Uint8Array | undefined, onRows: (rows: number) => void): void {
    let before = 0;
    for (let group = 0; group < facts.groups.length && before < rows; group++) {
      const columns = readPageviews(facts, group);
      const until = Math.min(columns.url.length, rows - before);
      for (let row = 0; row < until; row++) {
        const verdict = isRepeat(repeats, before + row) ? verdicts.repeat : verdictOf(this.#deciding, columns, row);
        this.rowsWith[verdict] = (this.rowsWith[verdict] ?? 0) + 1;
        if (verdict !== verdicts.counts) continue;
        const page = (this.#star.pageOfUrl[columns.url[row] ?? 0] ?? 0) - 1;
        this.#put(page, columns.visitor[row] ?? 0, timeOf(columns.timestamp, row));
      }
      before += columns.url.length;
      onRows(until);
    }
    this.#flush();
  }

  #put(page: number, visitor: number, time: number): void {
    const { from, number } = this.#hourOf(time);
    const batch = this.#batch;
    const row = this.#filled++;
    const person = this.#people.ofVisitor[2 * visitor] ?? 0;
    batch.pages[row] = page;
    batch.persons[row] = person;
    batch.hours[row] = number;
    batch.milliseconds[row] = time - from;
    batch.coupons[row] = this.#people.ofVisitor[2 * visitor + 1] ?? 0;
    this.pageviews[page] = (this.pageviews[page] ?? 0) + 1;
    this.seen[person] = 1;
    if (this.#filled === batchRows) this.#flush();
  }

  #flush(): void {
    this.#store.addAll(this.#batch, this.#filled, this.#shardOfPage);
    this.#filled = 0;
  }

  #hourOf(time: number): { readonly from: number; readonly number: number } {
    if (time >= this.#hour.from && time < this.#hour.to) return this.#hour;
    const hour = Math.floor(time / hourMs);
    let number = this.#hourNumbers.get(hour);
    if (number === undefined) {
      number = this.hours.push(hour) - 1;
      this.#hourNumbers.set(hour, number);
    }
    this.#hour = { from: hour * hourMs, to: (hour + 1) * hourMs, number };
    return this.#hour;
  }
}
