/** Suggestions for the domain and page fields. Failed requests give no suggestions: the round that runs at the same time reports the error. */
import { domains, pages } from './answers.js';
import type { Api } from './api.js';
import type { Choice } from './combobox.js';
import { fits } from './filters.js';
import { count } from './format.js';
import { namesOf, readable, readableHost, shortened } from './readable-url.js';
import { rangeOf, type PageState } from './state.js';

const pagesSuggested = 200;
const domainsSuggested = 50;

export async function suggestDomains(
  api: Api,
  typed: string,
  signal: AbortSignal,
): Promise<readonly Choice[]> {
  const params = { ...(typed === '' ? {} : { contains: typed }), limit: String(domainsSuggested) };
  const found = await ifThere(api.get('/v1/domains', params, domains, signal));
  return found?.data.domains.map((domain) => ({ value: domain, text: readableHost(domain) })) ?? [];
}

/** The busiest pages of the state's domain in its range. */
export async function suggestPages(
  api: Api,
  state: PageState,
  typed: string,
  signal: AbortSignal,
): Promise<readonly Choice[]> {
  const { domain, zone } = state;
  if (domain === undefined) return [];
  const { from, to } = rangeOf(state, Date.now());
  const params = { domain, from, to, tz: zone, limit: String(pagesSuggested) };
  const found = await ifThere(api.get('/v1/pages', params, pages, signal));
  const fitting = (found?.data.pages ?? []).filter(
    ({ url }) => fits(url, typed) || fits(readable(url), typed),
  );
  const names = shortened(namesOf(fitting.map(({ url }) => url)));
  return fitting.map(({ url, pageviews: views }, i) => ({
    value: url,
    text: names[i] ?? url,
    note: `${count(views)} views`,
  }));
}

async function ifThere<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch {
    return undefined;
  }
}
