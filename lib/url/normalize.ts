/**
 * The URL rules: one page, one spelling. Used by the collector (partition key), the speed layer and the batch layer,
 * so that a page has the same name in every view. A change of rules is a new `urlRulesVersion`; batch views name
 * the version they were built with.
 *
 * Rules, in order: WHATWG parse (scheme and host lower case, default port dropped, dot segments resolved); user info and
 * fragment dropped; percent-encoding by RFC 3986 6.2.2 (hex digits upper case, unreserved characters decoded, a stray
 * `%` written `%25`); trailing slashes dropped except on the root; query dropped except for allowed parameters, those sorted.
 * Idempotent: a normalised URL is its own normal form.
 */

export const urlRulesVersion = 1;

/** Longest URL accepted, in UTF-8 bytes: as received, and again after normalisation. */
export const maxUrlBytes = 2048;

export type UrlRefusal = 'unparsable' | 'not-http' | 'too-long';

export type NormalizedUrl =
  { readonly ok: true; readonly url: string } | { readonly ok: false; readonly reason: UrlRefusal };

export interface UrlRulesOptions {
  /** Query parameters that tell pages apart (`id`, `page`). Default: none. */
  readonly queryAllow?: readonly string[];
  /** Entries kept in the memo of recent URLs. Default 65,536. */
  readonly memoSize?: number;
}

export class UrlRules {
  /** Names version and parameters: equal strings, equal results. */
  readonly version: string;
  readonly #allow: ReadonlySet<string>;
  readonly #memo = new Map<string, NormalizedUrl>();
  readonly #memoSize: number;

  constructor(options: UrlRulesOptions = {}) {
    const allow = [...new Set(options.queryAllow ?? [])].toSorted();
    this.#allow = new Set(allow);
    this.#memoSize = options.memoSize ?? 65_536;
    this.version = `${urlRulesVersion};query=${allow.map(encodeURIComponent).join(',')}`;
  }

  normalize(raw: string): NormalizedUrl {
    const known = this.#memo.get(raw);
    if (known !== undefined) return known;
    const result = this.normalizeNew(raw);
    if (this.#memo.size >= this.#memoSize) this.#memo.clear();
    this.#memo.set(raw, result);
    return result;
  }

  /** The same, for callers that remember by themselves what they have asked for. */
  normalizeNew(raw: string): NormalizedUrl {
    if (Buffer.byteLength(raw) > maxUrlBytes) return refused('too-long');
    let parsed: URL;
    try {
      parsed = new URL(raw);
    } catch {
      return refused('unparsable');
    }
    if (parsed.protocol !== 'http:' && parsed.protocol !== 'https:') return refused('not-http');
    const path = trimSlashes(normalizeEscapes(parsed.pathname));
    const url = `${parsed.protocol}//${parsed.host}${path}${this.#query(parsed.search)}`;
    return Buffer.byteLength(url) > maxUrlBytes ? refused('too-long') : { ok: true, url };
  }

  #query(search: string): string {
    if (this.#allow.size === 0 || search === '') return '';
    const kept = search
      .slice(1)
      .split('&')
      .filter((part) => part !== '' && this.#allow.has(parameterName(part)))
      .map(normalizeEscapes)
      .toSorted();
    return kept.length === 0 ? '' : `?${kept.join('&')}`;
  }
}

function refused(reason: UrlRefusal): NormalizedUrl {
  return { ok: false, reason };
}

function parameterName(part: string): string {
  const equals = part.indexOf('=');
  const name = equals < 0 ? part : part.slice(0, equals);
  return new URLSearchParams(`${name}=`).keys().next().value ?? '';
}

function trimSlashes(path: string): string {
  let end = path.length;
  while (end > 1 && path.charCodeAt(end - 1) === 0x2f) end--;
  return path.slice(0, end);
}

const escapes = /%([0-9A-Fa-f]{2})?/g;
const unreserved = /[A-Za-z0-9\-._~]/;

/** RFC 3986 6.2.2.1 and 6.2.2.2. */
function normalizeEscapes(text: string): string {
  if (!text.includes('%')) return text;
  return text.replace(escapes, (_whole, hex: string | undefined) => {
    if (hex === undefined) return '%25';
    const character = String.fromCharCode(Number.parseInt(hex, 16));
    return unreserved.test(character) ? character : `%${hex.toUpperCase()}`;
  });
}
