/**
 * The URL rules: one page, one spelling. Used by the collector (partition key), the speed layer and the batch layer,
 * so that a page has the same name in every view. A change of rules is a new `urlRulesVersion`; batch views name
 * the version they were built with.
 *
 * Rules, in order:
 * 1. Parsed by the URL standard: scheme and host lower case, host ASCII, dot segments resolved (facts/url/parse.ts).
 * 2. User info, fragment, default port and final dots of the host are dropped. A registrable domain over 253 bytes is refused: DNS has none.
 * 3. Percent-encoding by RFC 3986 6.2.2 (facts/url/percent.ts): unreserved characters bare, all others that may not stand bare in a
 *    path encoded: `|` and `%7C` are one page. A reserved character and its escape are two (`/a;b`, `/a%3Bb`): RFC 3986 2.2.
 * 4. Path parameters `;jsessionid=...` and `;sid=...` dropped, in any case, in any segment.
 * 5. Slashes at the end dropped, except the root's.
 * 6. Query dropped, but for allowed parameters in one spelling and sorted (facts/url/query.ts).
 *
 * Idempotent: a normalised URL is its own normal form. It is ASCII. The result depends on nothing but this code and the
 * packages that the version names: on no `URL` class, Unicode table or ICU of the runtime.
 */
import type { TextSpans } from '../../lib/memory/keyed-hash.js';
import { ownText } from '../../lib/memory/own-text.js';
import { versionOf } from '../../lib/files/package-version.js';
import { domainOf } from './domain.js';
import { Authorities } from './host.js';
import { hasDotSegment, parseHttpUrl, withoutDotSegments } from './parse.js';
import { spellPath } from './percent.js';
import { AllowedParameters } from './query.js';

const urlRulesVersion = 3;

/** Longest page, which is the URL after normalisation, in bytes. */
export const maxPageBytes = 2048;
/** Longest registrable domain: no DNS name is longer (RFC 1035, 2.3.4), and the keys of realtime stores have no room for more. */
const maxDomainBytes = 253;
/** Longest URL as received, in UTF-8 bytes: most of it may be a query that is dropped. */
export const maxUrlBytes = 65_536;

export type UrlRefusal = 'unparsable' | 'not-http' | 'too-long' | 'raw-too-long';

export type NormalizedUrl =
  { readonly ok: true; readonly url: string } | { readonly ok: false; readonly reason: UrlRefusal };

/** What a refusal means, to be read after the name of the field. */
export const refusalTexts: Readonly<Record<UrlRefusal, string>> = {
  unparsable: 'is not a valid absolute URL',
  'not-http': 'must be http or https',
  'too-long': `names a page longer than ${maxPageBytes} bytes`,
  'raw-too-long': `is longer than ${maxUrlBytes} bytes`,
};

export interface UrlRulesOptions {
  /** Query parameters that tell pages apart (`id`, `page`). Default: none. */
  readonly queryAllow?: readonly string[];
}

/** Entries kept of recent URLs. */
const memoSize = 65_536;

export class UrlRules {
  /** Names version and parameters: equal strings, equal results. */
  readonly version: string;
  readonly #allowed: AllowedParameters;
  readonly #authorities = new Authorities();
  readonly #memo = new Map<string, NormalizedUrl>();

  constructor(options: UrlRulesOptions = {}) {
    this.#allowed = new AllowedParameters(options.queryAllow ?? []);
    const packages = `whatwg-url=${versionOf('whatwg-url')};tr46=${versionOf('tr46')}`;
    this.version = `${urlRulesVersion};${packages};query=${this.#allowed.names.join(',')}`;
  }

  /** Whether every query is dropped. */
  get dropsQuery(): boolean {
    return this.#allowed.names.length === 0;
  }

  /**
   * Cuts raw URLs to the parts that decide their pages, each up to its `?` or `#`: what follows is dropped unread, so URLs
   * with one such part are one page.
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
    if (raw.length > maxPageBytes) return result; // few, and the memo's memory is bounded
    if (this.#memo.size >= memoSize) this.#memo.clear();
    this.#memo.set(raw, result);
    return result;
  }

  /** The same, for callers that remember by themselves what they have asked for. */
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

  /** @param mark where `?` or `#` stands, if it does */
  #finish(raw: string, urlToPath: string, mark: number): NormalizedUrl {
    const query = raw[mark] === '?' ? this.#allowed.keep(raw, mark + 1) : '';
    const url = query === '' ? urlToPath : `${urlToPath}${query}`;
    if (url.length > maxPageBytes) return refused('too-long');
    if (url.length > maxDomainBytes && domainOf(url).length > maxDomainBytes) return refused('unparsable');
    return { ok: true, url: raw.length > maxPageBytes ? ownText(url) : url };
  }
}

/**
 * What is normal already up to `?`, `#` or slashes at its end: most URLs, and seen at a third of the cost of working them
 * out. A plain lower-case name without port, then segments that are not dots, of characters that stand bare and
 * upper-case escapes of others than ASCII.
 */
const normalAlready =
  /^(https?:\/\/(?![^/]*xn--)(?:[a-z0-9_-]+\.)*[a-z_-][a-z0-9_-]*(?:\/(?!\.{1,2}(?:[/?#]|$))(?:[A-Za-z0-9\-._~!$&'()*+,:=@]|%[89A-F][0-9A-F])+)+)\/*(?=[?#]|$)/;

const questionMark = 0x3f;
const numberSign = 0x23;

/** Finds a byte behind places that mostly ascend: each stretch is searched once. */
class NextByte {
  readonly #bytes: Uint8Array;
  readonly #byte: number;
  /** There is none in [from, found). */
  #from = 0;
  #found = -1;

  constructor(bytes: Uint8Array, byte: number) {
    this.#bytes = bytes;
    this.#byte = byte;
  }

  /** The place of the next one; infinite when there is none. */
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

/** In bytes of UTF-8, of which a UTF-16 unit takes one to three. */
function isLongerThan(limitBytes: number, text: string): boolean {
  return text.length > limitBytes || (text.length * 3 > limitBytes && Buffer.byteLength(text) > limitBytes);
}

const sessionParameter = /;(?:jsessionid|sid)=[^;/]*/gi;

function normalPath(path: string): string {
  const spelled = spellPath(path);
  if (!spelled.includes(';')) return trimSlashes(spelled);
  const kept = spelled.replace(sessionParameter, '');
  // `/a/..;sid=1` has become a dot segment only now.
  const resolved = kept.length < spelled.length && hasDotSegment(kept) ? withoutDotSegments(kept) : kept;
  return trimSlashes(resolved);
}

function trimSlashes(path: string): string {
  let end = path.length;
  while (end > 1 && path.charCodeAt(end - 1) === 0x2f) end--;
  return path.slice(0, end);
}
