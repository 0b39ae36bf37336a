/**
 * Parses http(s) URLs by the URL standard (https://url.spec.whatwg.org/), without query and fragment.
 *
 * `whatwg-url` follows the standard character by character and takes about 100 times as long as everything else here. So only hosts that are not
 * plain names go through it (facts/url/host.ts). A property test compares this parser with it for any text.
 */
import type { Authorities, Scheme } from './host.js';

export interface ParsedUrl {
  readonly scheme: Scheme;
  /** Canonical `host` or `host:port`. */
  readonly authority: string;
  /** From its first `/` on, without dot segments; percent-encoding unchanged. */
  readonly path: string;
}

const http = /^(https?):[/\\]*([^/\\]*)(.*)$/is;
const anyScheme = /^[a-z][a-z0-9+.-]*:/i;
const tabOrNewline = /[\t\n\r]/g;
const singleDot = /^(?:\.|%2e)$/i;
const doubleDot = /^(?:\.|%2e){2}$/i;
const dotSegment = /\/(?:\.|%2e){1,2}(?:\/|$)/i;

/**
 * @param text the part before `?` or `#`
 * @param isCut whether a `?` or `#` followed: spaces at the end then belong to the path
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
 * Resolves dot segments (path state of the URL standard) in linear time. A dot segment at the end leaves no slash, because names of pages have
 * none.
 */
export function withoutDotSegments(path: string): string {
  const kept: string[] = [];
  for (const segment of path.slice(1).split('/')) {
    if (doubleDot.test(segment)) kept.pop();
    else if (!singleDot.test(segment)) kept.push(segment);
  }
  return `/${kept.join('/')}`;
}

/** Trims control characters and spaces at the start and, unless it is cut, at the end. */
function trimmed(text: string, isCut: boolean): string {
  let from = 0;
  let to = text.length;
  while (from < to && text.charCodeAt(from) <= 0x20) from++;
  if (!isCut) while (to > from && text.charCodeAt(to - 1) <= 0x20) to--;
  return text.slice(from, to);
}
