/** The facts: immutable records of what happened. Times are UTC milliseconds. */

/** Times of facts begin here: 1990-01-01T00:00:00Z. A present time in seconds, read as milliseconds, lies in January 1970. */
export const timeStart = Date.UTC(1990, 0, 1);

/**
 * Times lie below: the year 33658, 15 digits. A present time in microseconds, which foreign producers send, lies beyond,
 * and hours fit an Int32.
 */
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
  /** Two ASCII letters in upper case, unless a foreign producer wrote the record. */
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

/** What an exclusion goes by; what each means is in exclusions.ts. One by `erased` is never taken back. */
export const exclusionKinds = ['visitor', 'importId', 'urlPrefix', 'userAgent', 'erased'] as const;
export type ExclusionKind = (typeof exclusionKinds)[number];

/** Which pageviews are to count nowhere; by `erased`, which edges, too. */
export interface ExclusionRule {
  readonly by: ExclusionKind;
  readonly value: string;
  /** Of pageviews whose own time lies in [from, to) alone, UTC ms; without one there is no limit on that side. */
  readonly from?: number;
  readonly to?: number;
}

/** `exclude` leaves pageviews out of every view that is made later; `include` takes back what has the same rule. */
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
 * Order of visitor ids: UTF-8 byte order, which is code point order. JavaScript compares UTF-16 units, which differs
 * from it only where a surrogate (above U+FFFF) meets U+E000..U+FFFF.
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
