/**
 * The utm parameters of a URL, which tell where a link was published: https://site.example/x?utm_source=letter&utm_campaign=may. If a parameter
 * occurs more than once, the first one counts. Values are decoded as application/x-www-form-urlencoded.
 */
import { percentDecodeString } from 'whatwg-url';

const read = ['utm_campaign', 'utm_source'] as const;
type Tag = (typeof read)[number];

/** Prefix of all parameter names, for a quick check whether a URL has any. */
export const tagsMark = 'utm_';

/** Maximum length of a parameter (name and value) that is kept. Values of dimensions are cut far below it. */
const maxPieceLength = 2_048;

/**
 * The utm parameters that rules read, spelled as in the URL but in a fixed order: 'utm_campaign=may&utm_source=letter'; '' if there are none.
 * URLs that differ elsewhere give the same text.
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

/** @param tags a result of `tagsOf` */
export function tag(tags: string, name: Tag): string | undefined {
  const piece = tags.split('&').find((each) => each.startsWith(`${name}=`));
  if (piece === undefined) return undefined;
  return Buffer.from(percentDecodeString(piece.slice(name.length + 1).replaceAll('+', ' '))).toString('utf8');
}
