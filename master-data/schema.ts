/**
 * The Parquet schema: one table per topic, one row per log record. The file determines topic and partition.
 *
 * - `"offset"`, `received_at`, `timestamp`: BIGINT; times are UTC milliseconds, so that an hour is a division and
 *   readers need no time zone.
 * - Facts are stored as received: URLs not normalised, repeats of an `event_id` and bots included.
 * - A record that is not a fact (written by a foreign producer) is stored too: `invalid_reason`, its bytes in `raw`,
 *   and null in all other columns. So every offset of the log is in exactly one row of exactly one file.
 * - Columns are only ever added, at the end of the facts' own. Older files lack them, and `sqlFacts` reads them as
 *   null, so read facts only through it.
 */
import type { Topic } from '../log/log.js';
import { sqlName, sqlParquet } from './duckdb.js';

export interface Column {
  readonly name: string;
  readonly type: 'BIGINT' | 'VARCHAR' | 'BLOB';
  /** The field of the fact; absent for columns that are not part of the fact. */
  readonly field?: string;
}

const atHand: readonly Column[] = [
  { name: 'offset', type: 'BIGINT' },
  { name: 'received_at', type: 'BIGINT', field: 'receivedAt' },
  { name: 'timestamp', type: 'BIGINT', field: 'timestamp' },
];
const setAside: readonly Column[] = [
  { name: 'invalid_reason', type: 'VARCHAR' },
  { name: 'raw', type: 'BLOB' },
];
const text = (name: string, field: string): Column => ({ name, type: 'VARCHAR', field });

export const columnsOf: Readonly<Record<Topic, readonly Column[]>> = {
  pageviews: [
    ...atHand,
    text('visitor', 'visitor'),
    text('url', 'url'),
    text('event_id', 'eventId'),
    text('user_agent', 'userAgent'),
    text('referrer', 'referrer'),
    text('country', 'country'),
    text('import_id', 'importId'),
    ...setAside,
  ],
  equivs: [
    ...atHand,
    text('kind', 'type'), // 'equiv', 'retract', 'exclude' or 'include'
    text('a', 'a'),
    text('b', 'b'),
    text('event_id', 'eventId'),
    text('source', 'source'),
    text('by', 'by'),
    text('value', 'value'),
    { name: 'from', type: 'BIGINT', field: 'from' },
    { name: 'to', type: 'BIGINT', field: 'to' },
    ...setAside,
  ],
};

/**
 * Returns SQL for the rows of these files of a topic, with all its columns, whatever version wrote the files; no rows
 * if there are no files.
 */
export function sqlFacts(topic: Topic, paths: readonly string[]): string {
  const columns = columnsOf[topic];
  const nulls = columns.map(({ name, type }) => `cast(null as ${type}) as ${sqlName(name)}`).join(', ');
  const none = `select ${nulls} where false`;
  if (paths.length === 0) return `(${none})`;
  // By name, because the files may have different columns.
  return `(${none} union all by name from ${sqlParquet(...paths)})`;
}
