/**
 * A stand-in replaces a record that cannot be read or was erased. It is JSON that is not a fact and gives the reason.
 * The record keeps its offset, the records around it are read as usual, and the missing one is counted.
 */
const standInReasons = ['too large', 'cannot be unpacked', 'erased'] as const;
export type StandInReason = (typeof standInReasons)[number];

/** The reason stored with the offset of an erased record. */
export const erasedReason = 'erased';

const type = 'unreadable';
const start = Buffer.from(`{"type":"${type}"`);

/** @param detail explanation for the operator */
export function standIn(reason: StandInReason, detail?: string): Buffer {
  return Buffer.from(JSON.stringify({ type, reason, detail }));
}

/** Tells whether these bytes are a stand-in, by their prefix. */
export function isStandIn(value: Uint8Array): boolean {
  if (value[9] !== start[9]) return false; // the type's first letter, which decides almost every record
  return start.compare(value, 0, Math.min(start.length, value.length)) === 0;
}

/** Returns why the record cannot be read; undefined if the parsed record is not a stand-in. */
export function standInReason(record: Readonly<Record<string, unknown>>): string | undefined {
  if (record['type'] !== type) return undefined;
  const reason = standInReasons.find((known) => known === record['reason']);
  return reason === 'erased' ? erasedReason : `unreadable: ${reason ?? 'no reason given'}`;
}
