/** Assigns to each visitor number its person, as a number, and the person's coupon. */
import type { Members } from './persons.js';

/** Stands for the person of a placeholder; person numbers are below it. */
export const noPerson = 0xffffffff;

export interface People {
  /** By visitor number, two adjacent words: the person and its coupon. */
  readonly ofVisitor: Uint32Array;
  /** Person numbers are below `count`; persons with two or more ids are below `joined`. */
  readonly count: number;
  readonly joined: number;
}

/**
 * @param coupons by visitor number; 0 for a placeholder
 * @param visitors visitor numbers of the ids, which `members` refers to by index
 */
export function peopleOf(
  coupons: Uint32Array,
  { visitors, members, ends }: Pick<Members, 'members' | 'ends'> & { readonly visitors: Uint32Array },
): People {
  const ofVisitor = new Uint32Array(new SharedArrayBuffer(8 * coupons.length)).fill(noPerson);
  let from = 0;
  for (const [person, to] of ends.entries()) {
    const coupon = coupons[visitors[members[from]]];
    for (; from < to; from++) {
      const at = 2 * visitors[members[from]];
      ofVisitor[at] = person;
      ofVisitor[at + 1] = coupon;
    }
  }
  let count = ends.length;
  for (let visitor = 1; visitor < coupons.length; visitor++) {
    const coupon = coupons[visitor];
    if (coupon === 0 || ofVisitor[2 * visitor] !== noPerson) continue;
    ofVisitor[2 * visitor] = count++;
    ofVisitor[2 * visitor + 1] = coupon;
  }
  return { ofVisitor, count, joined: ends.length };
}
