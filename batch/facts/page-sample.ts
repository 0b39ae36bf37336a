/** Pages chosen for the recount: a sample that does not depend on the order of facts. */
import { murmur2 } from '../../lib/log/partitioner.js';

/** Spellings of all pages together: a page whose links carry click ids has one for every view. */
const mostSpellings = 10_000;

/** A page, with every spelling that means it. */
export interface SampledPage {
  readonly url: string;
  readonly spellings: readonly string[];
}

interface Candidate {
  readonly hash: number;
  readonly spellings: Set<string>;
}

/**
 * The pages with the least hashes, and all their spellings; without those that have too many. A page that enters has been
 * seen in no spelling before, since the greatest hash kept only falls.
 */
export class PageSample {
  readonly #size: number;
  readonly #kept = new Map<string, Candidate>();
  #greatest = Number.POSITIVE_INFINITY;

  constructor(size: number) {
    this.#size = size;
  }

  offer(url: string, spelling: string): void {
    const known = this.#kept.get(url);
    if (known !== undefined) {
      if (known.spellings.size <= mostSpellings) known.spellings.add(spelling);
      return;
    }
    const hash = murmur2(Buffer.from(url));
    if (hash >= this.#greatest) return;
    this.#kept.set(url, { hash, spellings: new Set([spelling]) });
    if (this.#kept.size <= this.#size) return;
    const last = this.#byHash().at(-1);
    if (last === undefined) return;
    this.#kept.delete(last[0]);
    this.#greatest = last[1].hash;
  }

  pages(): SampledPage[] {
    let left = mostSpellings;
    const pages: SampledPage[] = [];
    for (const [url, { spellings }] of this.#byHash()) {
      if (spellings.size > left) continue;
      left -= spellings.size;
      pages.push({ url, spellings: [...spellings] });
    }
    return pages;
  }

  #byHash(): [url: string, candidate: Candidate][] {
    return [...this.#kept].toSorted(([, a], [, b]) => a.hash - b.hash);
  }
}
