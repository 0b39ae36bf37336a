/**
 * An http(s) URL taken apart as the URL standard says (https://url.spec.whatwg.org/), without query and fragment.
 *
 * `whatwg-url` follows the standard character by character, which takes about 100 times as long as everything else here. So what is simple
 * is done here: the scheme, where the authority ends, and paths without dot segments. Hosts (lib/url/host.ts) and
 * other paths are parsed by `whatwg-url`, and a property test holds the whole to it for any text.
 */
import { parseURL } from 'whatwg-url';
import type { Authorities, Scheme } from './host.js';

export interface ParsedUrl {
  readonly scheme: Scheme;
  /** `host` or `host:port` in one spelling. */
  readonly authority: string;
  /** From its first `/` on, without dot segments; not percent-encoded further than it came. */
  readonly path: string;
}

const http = /^(https?):[/\\]*([^/\\]*)(.*)$/is;
const anyScheme = /^[a-z][a-z0-9+.-]*:/i;
const tabOrNewline = /[\t\n\r]/g;
const dotSegment = /\/(?:\.|%2e){1,2}(?:\/|$)/i;

/** Longest path whose dot segments are resolved, in characters: it takes about a microsecond for each. */
const maxDottedPath = 8192;

/**
 * @param text what stands before `?` and `#`
 * @param isCut whether one of them came after it: then spaces at its end belong to the path
 */
export function parseHttpUrl(
  text: string,
  isCut: boolean,
  authorities: Authorities,
): ParsedUrl | 'unparsable' | 'not-http' | 'too-long' {
  const clean = trimmed(text, isCut).replace(tabOrNewline, '');
  const match = http.exec(clean);
  if (match === null) return anyScheme.test(clean) ? 'not-http' : 'unparsable';
  const [, schemeText = '', authorityText = '', pathText = ''] = match;
  const scheme = schemeText.length === 5 ? 'https' : 'http';
  const authority = authorities.canonical(scheme, authorityText);
  if (authority === undefined) return 'unparsable';
  const asCame = pathText === '' ? '/' : pathText.replaceAll('\\', '/');
  const path = hasDotSegment(asCame) ? withoutDotSegments(asCame) : asCame;
  return path === undefined ? 'too-long' : { scheme, authority, path };
}

/** Whether a segment is `.` or `..`, also percent-encoded. */
export function hasDotSegment(path: string): boolean {
  return dotSegment.test(path);
}

/** The path with its dot segments resolved. Undefined when it is too long for that. */
export function withoutDotSegments(path: string): string | undefined {
  if (path.length > maxDottedPath) return undefined;
  const parsed = parseURL(`http://host${path}?`); // the mark keeps spaces at the end
  return `/${[parsed?.path ?? []].flat().join('/')}`;
}

/** Without control characters and spaces at its beginning and, unless it is cut, its end. */
function trimmed(text: string, isCut: boolean): string {
  let from = 0;
  let to = text.length;
  while (from < to && text.charCodeAt(from) <= 0x20) from++;
  if (!isCut) while (to > from && text.charCodeAt(to - 1) <= 0x20) to--;
  return text.slice(from, to);
}
