/** Registrable domain of the page that linked to a pageview. */
import type { TextSpans } from '../../lib/memory/keyed-hash.js';
import { domainOf } from '../url/domain.js';
import { UrlRules } from '../url/normalize.js';

const rules = new UrlRules();

/** 'https://www.search.example/find?q=x' -> 'search.example'; undefined if the referrer is not an http(s) URL. */
export function referrerDomain(referrer: string): string | undefined {
  const normalized = rules.normalizeNew(referrer);
  return normalized.ok ? domainOf(normalized.url) : undefined;
}

const schemes = ['https://', 'http://'].map((scheme) => Buffer.from(scheme));
/** Bytes that end the authority: '/', '\', '?', '#'. */
const ends = new Set([0x2f, 0x5c, 0x3f, 0x23]);

/**
 * Truncates referrers after the host: the rest does not change the result, and is mostly unique (a search or a path), so that fewer distinct
 * texts remain. Referrers in an unusual spelling are left as they are.
 */
export function cutToHosts({ bytes, starts, ends: textEnds, count }: TextSpans): void {
  for (let i = 0; i < count; i++) {
    const [from, to] = [starts[i] ?? 0, textEnds[i] ?? 0];
    const scheme = schemes.find((each) => each.every((byte, at) => bytes[from + at] === byte));
    if (scheme === undefined || from + scheme.length >= to) continue;
    let at = from + scheme.length;
    if (ends.has(bytes[at] ?? 0)) continue; // URL parsers skip further slashes
    while (at < to && !ends.has(bytes[at] ?? 0)) at++;
    textEnds[i] = at;
  }
}
