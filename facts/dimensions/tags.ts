/**
 * The utm parameters of a URL, which say where a link to it stood: https://site.example/x?utm_source=letter&utm_campaign=may.
 * Of each the first counts, read as application/x-www-form-urlencoded.
 */
import { percentDecodeString } from 'whatwg-url';

const read = ['utm_campaign', 'utm_source'] as const;
type Tag = (typeof read)[number];

/** What stands before every name, so that a URL without any is told quickly. */
export const tagsMark = 'utm_';

/** Longest piece of a query that is read of a parameter: a value is cut at a fraction of it. */
const maxPieceLength = 2_048;

/**
 * Those of its parameters that rules read, as they are spelled in the URL, in a fixed order: 'utm_campaign=may&utm_source=letter';
 * '' for none. So URLs that differ elsewhere have the same text.
 */
export function tagsOf(url: string): string {
  if (!url.includes(tagsMark)) return '';
  const from = url.indexOf('?');
  const fragment = url.indexOf('#');
  if (from < 0 || (fragment >= 0 && fragment < from)) return '';
  const pieces = url.slice(from + 1, fragment < 0 ? undefined : fragment).split('&');
  return read
    .flatMap((name) => pieces.find((piece) => piece.startsWith(`${name}=`))?.slice(0, maxPieceLength) ?? [])
    .join('&');
}

/** @param tags as `tagsOf` gives them */
export function tag(tags: string, name: Tag): string | undefined {
  const piece = tags.split('&').find((each) => each.startsWith(`${name}=`));
  if (piece === undefined) return undefined;
  return Buffer.from(percentDecodeString(piece.slice(name.length + 1).replaceAll('+', ' '))).toString('utf8');
}
