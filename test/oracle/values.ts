/**
 * The oracle's table of dimensions: what value each has for a pageview, chosen here by itself. Only the rules that turn one
 * text into another are shared with the layers.
 */
import { browserOf } from '../../facts/dimensions/browser.js';
import { utmCampaign } from '../../facts/dimensions/campaign.js';
import { countryOf } from '../../facts/dimensions/country.js';
import { deviceOf } from '../../facts/dimensions/device.js';
import { osOf } from '../../facts/dimensions/os.js';
import { referrerDomain } from '../../facts/dimensions/referrer.js';
import { utmSource } from '../../facts/dimensions/source.js';
import { tagsOf } from '../../facts/dimensions/tags.js';
import { normalizedValue } from '../../facts/dimensions/value.js';
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
export const oracleDimensions: Readonly<Record<string, ValueOf>> = {
  source: ({ url, referrer }, site) => tagged(utmSource, url) || elsewhere(referrer, site) || 'direct',
  browser: ({ userAgent }) => browser(userAgent) || 'unknown',
  campaign: ({ url }) => tagged(utmCampaign, url),
  os: ({ userAgent }) => os(userAgent) || 'unknown',
  device: ({ userAgent }) => device(userAgent) || 'unknown',
  country: ({ country }) => normalizedValue(countryOf(country ?? '')) || 'unknown',
};

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

type Rule = (text: string) => string | undefined;

function tagged(rule: Rule, url: string): string {
  return normalizedValue(rule(tagsOf(url)));
}

/** The domain that a referrer lies in, unless the page lies there itself. */
function elsewhere(referrer: string | undefined, { domain }: Site): string {
  const from = linking(referrer);
  return from === domain ? '' : from;
}

const browser = remembering(browserOf);
const os = remembering(osOf);
const device = remembering(deviceOf);
const linking = remembering(referrerDomain);

/** The spelled result of a slow rule: the oracle starts from the first fact again and again. */
function remembering(rule: Rule): (text: string | undefined) => string {
  const results = new Map<string, string>();
  return (text = '') => {
    const known = results.get(text);
    if (known !== undefined) return known;
    const result = normalizedValue(rule(text));
    results.set(text, result);
    return result;
  };
}
