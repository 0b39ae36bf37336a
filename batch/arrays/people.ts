/** Who each visitor number is: its person, by number, and the coupon that person counts with. */
import type { Members } from './persons.js';

/** The person of a placeholder: a person's number is below it. */
export const nobody = 0xffffffff;

export interface People {
  /** By visitor number two words that lie side by side: the person and its coupon. */
  readonly ofVisitor: Uint32Array;
  /** Person numbers are below this; below `joined` those of two or more ids. */
  readonly count: number;
  readonly joined: number;
}

/**
 * @param coupons by visitor number; 0 for a placeholder
 * @param visitors visitor number of each of the ids that `members` tells of
 */
export function peopleOf(
  coupons: Uint32Array,
  { visitors, members, ends }: Pick<Members, 'members' | 'ends'> & { readonly visitors: Uint32Array },
): People {
  const ofVisitor = new Uint32Array(new SharedArrayBuffer(8 * coupons.length)).fill(nobody);
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
    if (coupon === 0 || ofVisitor[2 * visitor] !== nobody) continue;
    ofVisitor[2 * visitor] = count++;
    ofVisitor[2 * visitor + 1] = coupon;
  }
  return { ofVisitor, count, joined: ends.length };
}
