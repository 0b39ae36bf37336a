/**
 * The oracle's table of dimensions: what value each has for a pageview, chosen here by itself. Only the rules that turn one
 * text into another are shared with the layers.
 */
import type { Pageview } from '../../facts/fact.js';

/** Where a pageview counts: its normalised URL and its registrable domain. */
export interface Site {
  readonly page: string;
  readonly domain: string;
}

export type ViewTexts = Pick<Pageview, 'url' | 'referrer' | 'userAgent' | 'country'>;

/** '' where a pageview has no value. */
export type ValueOf = (view: ViewTexts, site: Site) => string;

/** A line for each dimension. */
export const oracleDimensions: Readonly<Record<string, ValueOf>> = {};

/** The values of a pageview in these dimensions, by name; without those in which it has none. */
export function valuesOf(
  view: ViewTexts,
  site: Site,
  kept: readonly { readonly name: string }[],
): Map<string, string> {
  const values = new Map<string, string>();
  for (const { name } of kept) {
    const valueOf = oracleDimensions[name];
    if (valueOf === undefined) throw new RangeError(`the oracle has no line for the dimension ${name}`);
    const value = valueOf(view, site);
    if (value !== '') values.set(name, value);
  }
  return values;
}
