/** Chooses pages for the recount, independently of the order of facts. */
import type { Star } from '../../master-data/star/star.js';

/** Maximum total length of the spellings of all sampled pages. Pages with click ids in their links have one spelling per view. */
const maxCharacters = 250_000;

/** A page, with the part before `?` or `#` of every URL that means it. */
export interface SampledPage {
  readonly url: string;
  readonly parts: readonly string[];
}

/**
 * Evenly spaced pages in key order, without those that have too many spellings.
 *
 * @param byKey numbers of the pages that have facts, in key order
 */
export function samplePages(
  star: Pick<Star, 'pages' | 'pageOfUrl' | 'texts'>,
  byKey: Uint32Array,
  size: number,
): SampledPage[] {
  const { pages } = star;
  const length = Math.min(size, byKey.length);
  const chosen = Array.from(
    { length },
    (_, i) => byKey[Math.floor(((i + 0.5) * byKey.length) / length)] ?? 0,
  );
  const spellings = new Map(chosen.map((page) => [page, { parts: new Set<string>(), characters: 0 }]));
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
  return withinLimit(
    chosen.map((page) => ({ url: pages.text(page), parts: [...(spellings.get(page)?.parts ?? [])] })),
  );
}

/** The pages whose spellings fit the limit, taken in order. */
export function withinLimit(pages: readonly SampledPage[]): SampledPage[] {
  let left = maxCharacters;
  return pages.filter(({ parts }) => {
    const characters = parts.reduce((sum, { length }) => sum + length, 0);
    if (characters > left) return false;
    left -= characters;
    return true;
  });
}
