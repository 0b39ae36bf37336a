/** Facts: immutable records of what happened. All times are UTC milliseconds. */

/** Minimum time of a fact: 1990-01-01T00:00:00Z. Catches current times in seconds: read as milliseconds, they are in January 1970. */
export const timeStart = Date.UTC(1990, 0, 1);

/** Exclusive upper limit of times: 15 digits, the year 33658. Catches current times in microseconds, and keeps hour numbers within an Int32. */
export const timeEnd = 1e15;

export interface Pageview {
  readonly type: 'pageview';
  readonly visitor: string;
  /** As received; views normalise it by the URL rules. */
  readonly url: string;
  readonly timestamp: number;
  readonly eventId: string;
  readonly receivedAt: number;
  readonly userAgent?: string;
  readonly referrer?: string;
  /** Two upper-case ASCII letters, unless another producer wrote the record. */
  readonly country?: string;
  readonly importId?: string;
}

/** `equiv` says that the visitor ids `a` and `b` are one person; `retract` takes that back. The pair is unordered. */
export interface EquivEdge {
  readonly type: 'equiv' | 'retract';
  readonly a: string;
  readonly b: string;
  readonly timestamp: number;
  readonly eventId: string;
  readonly receivedAt: number;
  readonly source?: string;
}

/** The property by which an exclusion selects pageviews; exclusions.ts describes each. Exclusions by `erased` are never taken back. */
export const exclusionKinds = ['visitor', 'importId', 'urlPrefix', 'userAgent', 'erased'] as const;
export type ExclusionKind = (typeof exclusionKinds)[number];

/** Selects pageviews that count nowhere; by `erased`, also edges that join nothing. */
export interface ExclusionRule {
  readonly by: ExclusionKind;
  readonly value: string;
  /** Only pageviews with a timestamp in [from, to), UTC ms, are excluded. Undefined: no limit on that side. */
  readonly from?: number;
  readonly to?: number;
}

/** `exclude` leaves pageviews out of every view made later; `include` takes back an `exclude` with the same rule. */
export interface Exclusion extends ExclusionRule {
  readonly type: 'exclude' | 'include';
  readonly timestamp: number;
  readonly eventId: string;
  readonly receivedAt: number;
}

export type Fact = Pageview | EquivEdge | Exclusion;

export function isExclusion(fact: Fact): fact is Exclusion {
  return fact.type === 'exclude' || fact.type === 'include';
}

export function isEdge(fact: Fact): fact is EquivEdge {
  return fact.type === 'equiv' || fact.type === 'retract';
}

/**
 * Compares visitor ids in UTF-8 byte order, which is code point order. JavaScript's own order compares UTF-16 units, which differs only where a
 * surrogate (above U+FFFF) is compared with U+E000..U+FFFF.
 */
export function compareUtf8(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x === y) continue;
    const xSurrogate = (x & 0xf800) === 0xd800;
    const ySurrogate = (y & 0xf800) === 0xd800;
    if (xSurrogate !== ySurrogate) return xSurrogate ? 1 : -1;
    return x - y;
  }
  return a.length - b.length;
}
