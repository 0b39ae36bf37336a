/** What a question is about: parses pages, domains and dimensions, or refuses them with an error that names the parameter and a valid alternative. */
import { z } from 'zod';
import { outsideDomain } from '../../lib/http/auth.js';
import { HttpProblem } from '../../lib/http/problem.js';
import { dimensions, type Dimension } from '../../facts/subjects.js';
import { domainOf, hostOf } from '../../facts/url/domain.js';
import { refusalTexts, type UrlRules } from '../../facts/url/normalize.js';
import type { Subject } from '../../facts/views/view.js';
import { urlAndDomain } from '../filters.js';
import { textParameter } from './text-parameter.js';

const maxUrls = 50;

/** Parameters of questions about one page, several pages or a domain. */
export const subjectShape = {
  url: z
    .array(textParameter)
    .max(maxUrls)
    .optional()
    .describe(
      `Page URL, in any spelling the URL rules make equal. May be given up to ${maxUrls} times for their union.`,
    ),
  domain: textParameter.optional().describe('Registrable domain, instead of url.'),
};

/** The subjects as named in the answer. */
export type SubjectNames =
  { readonly url: string } | { readonly urls: string[] } | { readonly domain: string };

/** Throws `missing-parameter` without any, `invalid-parameter` for an invalid one or both kinds. */
export function subjectsOf(
  input: DomainInput,
  urls: UrlRules,
): { names: SubjectNames; subjects: readonly Subject[] } {
  if (input.domain !== undefined) {
    if (input.url !== undefined) {
      throw urlAndDomain();
    }
    const domain = parseDomain(input.domain, urls);
    return { names: { domain }, subjects: [{ kind: 'domain', domain }] };
  }
  const unique = [...new Set((input.url ?? []).map((raw) => parseUrl(raw, urls)))];
  const [first] = unique;
  if (first === undefined) {
    throw new HttpProblem('missing-parameter', "give 'url' (one or several) or 'domain'", {
      parameter: 'url',
    });
  }
  return {
    names: unique.length === 1 ? { url: first } : { urls: unique },
    subjects: unique.map((url) => ({ kind: 'page', url })),
  };
}

function parseUrl(raw: string, urls: UrlRules): string {
  const normalized = urls.normalize(raw);
  if (normalized.ok) return normalized.url;
  const why = refusalTexts[normalized.reason];
  throw new HttpProblem('invalid-parameter', `'url' ${why}: ${JSON.stringify(raw.slice(0, 100))}`, {
    parameter: 'url',
  });
}

/** Parses a registrable domain. Anything else is refused; for a host the error names its domain. */
export function parseDomain(raw: string, urls: UrlRules): string {
  const isMoreThanHost = /[\s/\\?#@]|:\d*$/.test(raw);
  const normalized = urls.normalize(`http://${raw}/`);
  if (isMoreThanHost || !normalized.ok)
    throw domainProblem(`is not a valid domain name: ${JSON.stringify(raw.slice(0, 100))}`);
  const domain = domainOf(normalized.url);
  if (domain === hostOf(normalized.url)) return domain;
  throw domainProblem(`is a host, not a registrable domain; its domain is '${domain}'`, {
    suggestion: domain,
  });
}

export interface DomainInput {
  readonly url?: readonly string[] | undefined;
  readonly domain?: string | undefined;
}

/** Throws `forbidden` unless a question that was parsed successfully is only about this domain or its pages. */
export function requireDomain(only: string, { url, domain }: DomainInput, urls: UrlRules): void {
  const requested =
    domain === undefined
      ? (url ?? []).map((raw) => domainOf(parseUrl(raw, urls)))
      : [parseDomain(domain, urls)];
  if (requested.length === 0 || requested.some((each) => each !== only)) throw outsideDomain(only);
}

/** Parses the name of a dimension that is kept. Anything else is refused with a list of those kept. */
export function parseDimension(raw: string, kept: readonly Dimension[]): string {
  const names = kept.map(({ name }) => name);
  if (names.includes(raw)) return raw;
  const refused = JSON.stringify(raw.slice(0, 60));
  const why = dimensions.some(({ name }) => name === raw)
    ? `${refused} is not kept here (SWA_DIMENSIONS)`
    : `${refused} is not a dimension`;
  throw new HttpProblem(
    'invalid-parameter',
    `'by': ${why}; ${names.length === 0 ? 'none are kept' : `there are ${names.join(', ')}`}`,
    { parameter: 'by', extra: { known: names } },
  );
}

function domainProblem(detail: string, extra: Readonly<Record<string, unknown>> = {}): HttpProblem {
  return new HttpProblem('invalid-parameter', `'domain' ${detail}`, { parameter: 'domain', extra });
}
