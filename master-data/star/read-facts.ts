/**
 * Reads the facts of the star (facts-file.ts) without a query engine, because threads that may be terminated use it.
 */
import type { Topic } from '../../log/log.js';
import { readExactly } from './append-file.js';
import type { StarFile } from './head.js';

/** Maximum number of rows of a row group, which is read at once. */
export const rowsPerGroup = 1 << 20;

export const int = 4;
const long = 8;
/** The columns in order, with the size of a value in bytes (sql/<topic>.sql). */
export const starColumns = {
  pageviews: {
    url: int,
    visitor: int,
    agent: int,
    referrer: int,
    tags: int,
    country: int,
    import: int,
    timestamp: long,
    event: long,
  },
  equivs: { a: int, b: int, kind: int, event: int, exclusion: int, timestamp: long, offset: long },
} as const satisfies Readonly<Record<Topic, Readonly<Record<string, number>>>>;

/** Reads some columns of a row group into new arrays. Throws `StarDamaged`. */
export function readGroup<Name extends string>(
  path: string,
  topic: Topic,
  { rows, columns }: StarFile['groups'][number],
  names: readonly Name[],
): Record<Name, Int32Array> {
  const widths = Object.entries(starColumns[topic]);
  return Object.fromEntries(
    names.map((name) => {
      const at = widths.findIndex(([column]) => column === name);
      const bytes = new Uint8Array(rows * (widths[at]?.[1] ?? int));
      const { offset = 0, crc = 0 } = columns[at] ?? {};
      readExactly(path, offset, bytes, crc);
      return [name, new Int32Array(bytes.buffer)];
    }),
  ) as Record<Name, Int32Array>; // has every name
}
