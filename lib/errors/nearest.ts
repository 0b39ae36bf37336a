/** A suggestion for a word that is not known, only where it is near enough to be what was meant. */
import { closest, distance } from 'fastest-levenshtein';

/**
 * The shortest known name that has all parts of the given one (`SWA_PORT` and `SWA_HTTP_PORT`), else one at most a quarter of its
 * letters away, not counting a common prefix. Undefined when none is near.
 *
 * @param prefix that all names share and that says nothing
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
