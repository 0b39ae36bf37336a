/**
 * What a reader gets in place of a record that the log holds but cannot hand out, and what stands in the log itself in place of a record
 * that was erased: JSON that is not a fact and says why.
 * So the record keeps its offset, everything before and after it is read, and the missing record is counted.
 */
const standInReasons = ['too large', 'cannot be unpacked', 'erased'] as const;
export type StandInReason = (typeof standInReasons)[number];

/** The reason of a record that was erased, as it stands beside its offset wherever facts are stored. */
export const erasedReason = 'erased';

const type = 'unreadable';
const start = Buffer.from(`{"type":"${type}"`);

/** @param detail what exactly, for people */
export function standIn(reason: StandInReason, detail?: string): Buffer {
  return Buffer.from(JSON.stringify({ type, reason, detail }));
}

/** Whether these bytes are a stand-in, judged by their first ones. */
export function isStandIn(value: Uint8Array): boolean {
  if (value[9] !== start[9]) return false; // the type's first letter: almost every record ends here
  return start.compare(value, 0, Math.min(start.length, value.length)) === 0;
}

/** Why the record cannot be read; undefined when the parsed record is not a stand-in. */
export function standInReason(record: Readonly<Record<string, unknown>>): string | undefined {
  if (record['type'] !== type) return undefined;
  const reason = standInReasons.find((known) => known === record['reason']);
  return reason === 'erased' ? erasedReason : `unreadable: ${reason ?? 'no reason given'}`;
}
