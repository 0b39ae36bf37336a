/** Pages chosen for the recount: a sample that does not depend on the order of facts. */
import { murmur2 } from '../../lib/log/partitioner.js';
import type { Star } from '../../master-data/star/star.js';

/** Of the spellings of all pages together: a page whose links carry click ids has one for every view. */
const maxCharacters = 250_000;

/** A page, with the part before `?` and `#` of every URL that means it. */
export interface SampledPage {
  readonly url: string;
  readonly parts: readonly string[];
}

/** The `size` pages with the least hashes that have facts, without those that would be too many spellings. */
export function samplePages(star: Pick<Star, 'pages' | 'pageOfUrl' | 'texts'>, hasFacts: (page: number) => boolean, size: number): SampledPage[] {
  const { pages } = star;
  const chosen = Array.from({ length: pages.count }, (_, page) => page)
    .filter(hasFacts)
    .map((page) => ({ page, hash: murmur2(pages.bytes.subarray(pages.startOf(page), pages.endOf(page))) }))
    .toSorted((a, b) => a.hash - b.hash || a.page - b.page)
    .slice(0, size);
  const spellings = new Map(chosen.map(({ page }) => [page, { parts: new Set<string>(), characters: 0 }]));
  let url = 1;
  for (const { bytes, starts, ends, count } of star.texts('urls')) {
    for (let i = 0; i < count; i++, url++) {
      const known = spellings.get((star.pageOfUrl[url] ?? 0) - 1);
      if (known === undefined || known.characters > maxCharacters) continue;
      const [part = ''] = Buffer.from(bytes.subarray(starts[i], ends[i])).toString('utf8').split(/[?#]/, 1);
      if (known.parts.has(part)) continue;
      known.parts.add(part);
      known.characters += part.length;
    }
  }
  let left = maxCharacters;
  return chosen.flatMap(({ page }) => {
    const { parts, characters } = spellings.get(page) ?? { parts: [], characters: 0 };
    if (characters > left) return [];
    left -= characters;
    return [{ url: pages.text(page), parts: [...parts] }];
  });
}
