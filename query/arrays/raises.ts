/**
 * For each person, the number of additional persons it may split into. Grows step by step, and can be queried as of any number of steps, like
 * the groups (person-groups.ts).
 */
import { grown } from '../../lib/memory/grown.js';

export class Raises {
  #steps = 0;
  #total = 0;
  /** By person: its last step, counted from 1; 0 for none. */
  #last = new Uint32Array(64);
  /** By step: the person's new number, and the person's previous step. */
  #sums = new Uint32Array(64);
  #before = new Uint32Array(64);

  get steps(): number {
    return this.#steps;
  }

  /** Sum over all persons. */
  get total(): number {
    return this.#total;
  }

  /** Raises a person's number by `more`, at most to `limit`. */
  add(person: number, more: number, limit: number): void {
    const sum = this.of(person, this.#steps);
    const raised = Math.min(sum + more, limit);
    if (raised <= sum) return;
    const step = ++this.#steps;
    if (person >= this.#last.length) this.#last = grown(this.#last, person + 1);
    if (step >= this.#sums.length) {
      this.#sums = grown(this.#sums);
      this.#before = grown(this.#before);
    }
    this.#sums[step] = raised;
    this.#before[step] = this.#last[person];
    this.#last[person] = step;
    this.#total += raised - sum;
  }

  /** A person's number as of `steps`. */
  of(person: number, steps: number): number {
    let step = person < this.#last.length ? this.#last[person] : 0;
    while (step > steps) step = this.#before[step];
    return this.#sums[step];
  }
}
