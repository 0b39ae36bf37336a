/** Suggests a known name for an unknown one, if one is close enough. */
import { closest, distance } from 'fastest-levenshtein';

/**
 * Returns the shortest known name that has all parts of the given one (`SWA_HTTP_PORT` for `SWA_PORT`), else one whose
 * edit distance is at most a quarter of the name's length without the prefix. Undefined if there is none.
 *
 * @param prefix common prefix of all names, which is ignored
 */
export function nearest(name: string, known: readonly string[], prefix = ''): string | undefined {
  const bare = (text: string): string => (text.startsWith(prefix) ? text.slice(prefix.length) : text);
  const parts = bare(name).split('_');
  const longer = known.filter((candidate) => {
    const own = bare(candidate).split('_');
    return parts.every((part) => own.includes(part));
  });
  if (longer.length > 0) return longer.toSorted((a, b) => a.length - b.length)[0];
  if (known.length === 0) return undefined;
  const candidate = closest(name, known);
  const allowed = Math.max(1, Math.floor(bare(name).length / 4));
  return distance(name, candidate) <= allowed ? candidate : undefined;
}
