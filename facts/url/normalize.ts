/**
 * The URL rules: one spelling for each page. Used by the collector (partition key), the speed layer and the batch layer, so that a page has the
 * same name in every view. A change of the rules increments `urlRulesVersion`; batch views record the version they were built with.
 *
 * Rules, in order:
 * 1. Parse by the URL standard: scheme and host in lower case, host in ASCII, dot segments resolved (facts/url/parse.ts).
 * 2. Drop user info, fragment, default port and final dots of the host. Refuse registrable domains over 253 bytes, which DNS cannot have.
 * 3. Percent-encoding by RFC 3986 6.2.2 (facts/url/percent.ts): unreserved characters bare, all others that must not be bare in a
 *    path encoded: `|` and `%7C` are one page. A reserved character and its escape are two (`/a;b`, `/a%3Bb`): RFC 3986 2.2.
 * 4. Drop path parameters `;jsessionid=...` and `;sid=...`, in any case, in any segment.
 * 5. Drop slashes at the end, except the root's.
 * 6. Drop the query, except allowed parameters, which are normalised and sorted (facts/url/query.ts).
 *
 * Idempotent: a normalised URL is its own normal form. It is ASCII. The result depends only on this code and the packages named in the version,
 * not on the `URL` class, Unicode tables or ICU of the runtime.
 */
import type { TextSpans } from '../../lib/memory/keyed-hash.js';
import { ownText } from '../../lib/memory/own-text.js';
import { versionOf } from '../../lib/files/package-version.js';
import { domainOf } from './domain.js';
import { Authorities } from './host.js';
import { hasDotSegment, parseHttpUrl, withoutDotSegments } from './parse.js';
import { canonicalPath } from './percent.js';
import { AllowedParameters } from './query.js';

const urlRulesVersion = 3;

/** Maximum length of a page (a normalised URL) in bytes. */
export const maxPageBytes = 2048;
/** Maximum length of a registrable domain: the limit of DNS names (RFC 1035, 2.3.4), and what keys of realtime stores can hold. */
const maxDomainBytes = 253;
/** Maximum length of a URL as received, in UTF-8 bytes: most of it may be a query that is dropped. */
export const maxUrlBytes = 65_536;

export type UrlRefusal = 'unparsable' | 'not-http' | 'too-long' | 'raw-too-long';

export type NormalizedUrl =
  { readonly ok: true; readonly url: string } | { readonly ok: false; readonly reason: UrlRefusal };

/** Texts of refusals, to follow the name of the field. */
export const refusalTexts: Readonly<Record<UrlRefusal, string>> = {
  unparsable: 'is not a valid absolute URL',
  'not-http': 'must be http or https',
  'too-long': `names a page longer than ${maxPageBytes} bytes`,
  'raw-too-long': `is longer than ${maxUrlBytes} bytes`,
};

export interface UrlRulesOptions {
  /** Query parameters that distinguish pages (`id`, `page`). Default: none. */
  readonly queryAllow?: readonly string[];
}

/** Maximum number of URLs in the memo. */
const memoSize = 65_536;

export class UrlRules {
  /** Versions and parameters: equal strings give equal results. */
  readonly version: string;
  readonly #allowed: AllowedParameters;
  readonly #authorities = new Authorities();
  readonly #memo = new Map<string, NormalizedUrl>();

  constructor(options: UrlRulesOptions = {}) {
    this.#allowed = new AllowedParameters(options.queryAllow ?? []);
    const packages = `whatwg-url=${versionOf('whatwg-url')};tr46=${versionOf('tr46')}`;
    this.version = `${urlRulesVersion};${packages};query=${this.#allowed.names.join(',')}`;
  }

  /** Options for making the same rules in another thread. */
  get options(): UrlRulesOptions {
    return { queryAllow: this.#allowed.names };
  }

  /** Whether all of the query is dropped. */
  get dropsQuery(): boolean {
    return this.#allowed.names.length === 0;
  }

  /**
   * Truncates raw URLs after their first `?` or `#`: the rest is dropped unread, so URLs with equal prefixes are one page. No-op if query
   * parameters are allowed.
   */
  cutToParts({ bytes, sizeBytes, starts, ends, count }: TextSpans): void {
    if (!this.dropsQuery) return;
    const all = bytes.subarray(0, sizeBytes);
    const [query, fragment] = [new NextByte(all, questionMark), new NextByte(all, numberSign)];
    for (let i = 0; i < count; i++) {
      const [from, to] = [starts[i] ?? 0, ends[i] ?? 0];
      const mark = Math.min(query.from(from), fragment.from(from));
      if (mark < to && to - from <= maxUrlBytes) ends[i] = mark + 1;
    }
  }

  normalize(raw: string): NormalizedUrl {
    const known = this.#memo.get(raw);
    if (known !== undefined) return known;
    const result = this.normalizeNew(raw);
    if (raw.length > maxPageBytes) return result; // rare, and would make the memo's memory unbounded
    if (this.#memo.size >= memoSize) this.#memo.clear();
    this.#memo.set(raw, result);
    return result;
  }

  /** `normalize` without the memo, for callers that have their own. */
  normalizeNew(raw: string): NormalizedUrl {
    if (isLongerThan(maxUrlBytes, raw)) return refused('raw-too-long');
    const normal = normalAlready.exec(raw);
    return normal === null ? this.#workOut(raw) : this.#finish(raw, normal[1] ?? '', normal[0].length);
  }

  #workOut(raw: string): NormalizedUrl {
    const end = raw.search(/[?#]/);
    const parsed = parseHttpUrl(end < 0 ? raw : raw.slice(0, end), end >= 0, this.#authorities);
    if (typeof parsed === 'string') return refused(parsed);
    const path = normalPath(parsed.path);
    return this.#finish(raw, `${parsed.scheme}://${parsed.authority}${path}`, end);
  }

  /** @param mark index of the first `?` or `#`, if any */
  #finish(raw: string, urlToPath: string, mark: number): NormalizedUrl {
    const query = raw[mark] === '?' ? this.#allowed.keep(raw, mark + 1) : '';
    const url = query === '' ? urlToPath : `${urlToPath}${query}`;
    if (url.length > maxPageBytes) return refused('too-long');
    if (url.length > maxDomainBytes && domainOf(url).length > maxDomainBytes) return refused('unparsable');
    return { ok: true, url: raw.length > maxPageBytes ? ownText(url) : url };
  }
}

/**
 * Matches URLs whose part before `?`, `#` or trailing slashes is already normal: most URLs, at a third of the cost of parsing them. A plain
 * lower-case name without port, then segments that are not dots, made of characters that may be bare and upper-case escapes of non-ASCII bytes.
 */
const normalAlready =
  /^(https?:\/\/(?![^/]*xn--)(?:[a-z0-9_-]+\.)*[a-z_-][a-z0-9_-]*(?:\/(?!\.{1,2}(?:[/?#]|$))(?:[A-Za-z0-9\-._~!$&'()*+,:=@]|%[89A-F][0-9A-F])+)+)\/*(?=[?#]|$)/;

const questionMark = 0x3f;
const numberSign = 0x23;

/** Finds the next occurrence of a byte from positions that mostly ascend; scans each stretch once. */
class NextByte {
  readonly #bytes: Uint8Array;
  readonly #byte: number;
  /** The byte does not occur in [from, found). */
  #from = 0;
  #found = -1;

  constructor(bytes: Uint8Array, byte: number) {
    this.#bytes = bytes;
    this.#byte = byte;
  }

  /** Position of the next occurrence at or after `place`; infinite if there is none. */
  from(place: number): number {
    if (place < this.#from || place > this.#found) {
      const found = this.#bytes.indexOf(this.#byte, place);
      this.#found = found < 0 ? Number.POSITIVE_INFINITY : found;
      this.#from = place;
    }
    return this.#found;
  }
}

function refused(reason: UrlRefusal): NormalizedUrl {
  return { ok: false, reason };
}

/** Compares the length in UTF-8 bytes; a UTF-16 unit takes one to three. */
function isLongerThan(limitBytes: number, text: string): boolean {
  return text.length > limitBytes || (text.length * 3 > limitBytes && Buffer.byteLength(text) > limitBytes);
}

const sessionParameter = /;(?:jsessionid|sid)=[^;/]*/gi;

function normalPath(path: string): string {
  const spelled = canonicalPath(path);
  if (!spelled.includes(';')) return trimSlashes(spelled);
  const kept = spelled.replace(sessionParameter, '');
  // Removing the parameter of `/a/..;sid=1` has created a dot segment.
  const resolved = kept.length < spelled.length && hasDotSegment(kept) ? withoutDotSegments(kept) : kept;
  return trimSlashes(resolved);
}

function trimSlashes(path: string): string {
  let end = path.length;
  while (end > 1 && path.charCodeAt(end - 1) === 0x2f) end--;
  return path.slice(0, end);
}
