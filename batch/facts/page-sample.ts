/** Pages chosen for the recount: a sample that does not depend on the order of facts. */
import { murmur2 } from '../../lib/log/partitioner.js';

/** Of the spellings of all pages together: a page whose links carry click ids has one for every view. */
const mostCharacters = 250_000;

/** A page, with every spelling that means it. */
export interface SampledPage {
  readonly url: string;
  readonly spellings: readonly string[];
}

interface Candidate {
  readonly hash: number;
  readonly spellings: Set<string>;
  characters: number;
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
      if (known.characters > mostCharacters || known.spellings.has(spelling)) return;
      known.spellings.add(spelling);
      known.characters += spelling.length;
      return;
    }
    const hash = murmur2(Buffer.from(url));
    if (hash >= this.#greatest) return;
    this.#kept.set(url, { hash, spellings: new Set([spelling]), characters: spelling.length });
    if (this.#kept.size <= this.#size) return;
    const last = this.#byHash().at(-1);
    if (last === undefined) return;
    this.#kept.delete(last[0]);
    this.#greatest = last[1].hash;
  }

  pages(): SampledPage[] {
    let left = mostCharacters;
    const pages: SampledPage[] = [];
    for (const [url, { spellings, characters }] of this.#byHash()) {
      if (characters > left) continue;
      left -= characters;
      pages.push({ url, spellings: [...spellings] });
    }
    return pages;
  }

  #byHash(): [url: string, candidate: Candidate][] {
    return [...this.#kept].toSorted(([, a], [, b]) => a.hash - b.hash);
  }
}
