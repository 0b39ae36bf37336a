/** Ledgers for the oracle: from facts in order, or from the records of a log. */
import type { Fact } from '../../facts/fact.js';
import { decodeRecord } from '../../facts/record.js';
import { offset, parsePartitionName, type Offset, type Offsets, type PartitionName } from '../../log/log.js';
import type { Placed } from './oracle.js';

export type Records = ReadonlyMap<PartitionName, readonly Uint8Array[]>;

/** Facts in the order of their offsets, in one partition per topic. */
export function placed(facts: readonly Fact[]): Placed[] {
  const next = { pageviews: 0, equivs: 0 };
  return facts.map((fact) => {
    const topic = fact.type === 'pageview' ? 'pageviews' : 'equivs';
    return { partition: `${topic}/0`, offset: next[topic]++, fact };
  });
}

/** The cut after all of a ledger's facts. */
export function cutAfter(ledger: readonly Placed[]): Offsets {
  const next: Record<PartitionName, Offset> = {};
  for (const { partition, offset: last } of ledger)
    next[partition] = offset(Math.max(next[partition] ?? 0, last + 1));
  return next;
}

const decoded = new WeakMap<Uint8Array, ReturnType<typeof decodeRecord>>();

/** Decodes a record of a log once: its bytes stay as they are. */
export function factOf(value: Uint8Array, partition: PartitionName): ReturnType<typeof decodeRecord> {
  const known = decoded.get(value);
  if (known !== undefined) return known;
  const fact = decodeRecord(value, parsePartitionName(partition).topic);
  decoded.set(value, fact);
  return fact;
}

/** The facts among the records of a log. */
export function ledgerOf(records: Records): Placed[] {
  return [...records].flatMap(([partition, values]) =>
    values.flatMap((value, at) => {
      const fact = factOf(value, partition);
      return fact.type === 'invalid' ? [] : [{ partition, offset: at, fact }];
    }),
  );
}
