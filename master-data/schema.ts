/**
 * The Parquet schema: one table shape per topic, a row per log record. Topic and partition are those of the file.
 *
 * - `"offset"`, `received_at`, `timestamp`: BIGINT; times are UTC milliseconds, so that an hour is a division and no
 *   reader has to agree on a time zone.
 * - Facts are as received: URLs not normalised, repeats of an `event_id` kept, bots kept.
 * - A record that is no fact (a foreign producer wrote it) is kept too: `invalid_reason` and its bytes in `raw`, all else
 *   null. So every offset of the log is in exactly one row of exactly one file.
 */
import type { Topic } from '../lib/log/log.js';

export interface Column {
  readonly name: string;
  readonly type: 'BIGINT' | 'VARCHAR' | 'BLOB';
  /** The fact's field it holds; absent for what is not of the fact. */
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
    ...setAside,
  ],
  equivs: [
    ...atHand,
    text('kind', 'type'), // 'equiv' or 'retract'
    text('a', 'a'),
    text('b', 'b'),
    text('event_id', 'eventId'),
    text('source', 'source'),
    ...setAside,
  ],
};
