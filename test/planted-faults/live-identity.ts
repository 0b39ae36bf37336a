/** Faults of live identity that its law must catch. */
import type { Edit, PlantedFault } from './fault.js';

/** A few histories are enough for each of them. */
const env = { RUNS: '6', SEED: '1' };

function fault(name: string, edit: Edit): PlantedFault {
  return { name, room: 'live identity', edits: [edit], test: 'test/live-identity.test', env };
}

export const liveIdentityFaults: readonly PlantedFault[] = [
  fault('a group is counted under another person than the one with the least id', {
    file: 'query/arrays/exposure.ts',
    find: 'groups.coupons[groups.leastOf(root, steps)];',
    replace: 'groups.coupons[root];',
  }),
  fault('edges join ids, not the persons of the batch view that have them', {
    file: 'query/identity/edge-state.ts',
    find: '    const [personA, personB] = [mapping.personOf(a), mapping.personOf(b)];',
    replace: '    const [personA, personB] = [a, b];',
  }),
  fault('coupons that come when there are too many to keep are not rewritten', {
    file: 'query/identity/live-people.ts',
    find: '      this.#rewrite(this.#work, part.length);\n',
    replace: '',
  }),
  fault('coupons that a union has are not rewritten before it turns to registers', {
    file: 'query/identity/live-people.ts',
    find: '    this.settle();\n    this.#isEager = this.union.couponCount',
    replace: '    this.#isEager = this.union.couponCount',
  }),
];
