/**
 * An http(s) URL taken apart as the URL standard says (https://url.spec.whatwg.org/), without query and fragment.
 *
 * `whatwg-url` follows the standard character by character, which takes about 100 times as long as everything else here. So
 * only hosts that are not plain names go through it (facts/url/host.ts), and a property test holds the whole to it for any text.
 */
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
const singleDot = /^(?:\.|%2e)$/i;
const doubleDot = /^(?:\.|%2e){2}$/i;
const dotSegment = /\/(?:\.|%2e){1,2}(?:\/|$)/i;

/**
 * @param text what stands before `?` and `#`
 * @param isCut whether one of them came after it: then spaces at its end belong to the path
 */
export function parseHttpUrl(
  text: string,
  isCut: boolean,
  authorities: Authorities,
): ParsedUrl | 'unparsable' | 'not-http' {
  const clean = trimmed(text, isCut).replace(tabOrNewline, '');
  const match = http.exec(clean);
  if (match === null) return anyScheme.test(clean) ? 'not-http' : 'unparsable';
  const [, schemeText = '', authorityText = '', pathText = ''] = match;
  const scheme = schemeText.length === 5 ? 'https' : 'http';
  const authority = authorities.canonical(scheme, authorityText);
  if (authority === undefined) return 'unparsable';
  const asCame = pathText === '' ? '/' : pathText.replaceAll('\\', '/');
  const path = hasDotSegment(asCame) ? withoutDotSegments(asCame) : asCame;
  return { scheme, authority, path };
}

/** Whether a segment is `.` or `..`, also percent-encoded. */
export function hasDotSegment(path: string): boolean {
  return dotSegment.test(path);
}

/**
 * The path with its dot segments resolved (path state of the URL standard), in time proportional to its length. One at the end
 * leaves no slash, since the page's name has none there.
 */
export function withoutDotSegments(path: string): string {
  const kept: string[] = [];
  for (const segment of path.slice(1).split('/')) {
    if (doubleDot.test(segment)) kept.pop();
    else if (!singleDot.test(segment)) kept.push(segment);
  }
  return `/${kept.join('/')}`;
}

/** Without control characters and spaces at its beginning and, unless it is cut, its end. */
function trimmed(text: string, isCut: boolean): string {
  let from = 0;
  let to = text.length;
  while (from < to && text.charCodeAt(from) <= 0x20) from++;
  if (!isCut) while (to > from && text.charCodeAt(to - 1) <= 0x20) to--;
  return text.slice(from, to);
}
