/** Faults in unions, and in how sure an estimate says it is. */
import type { PlantedFault } from '../fault.js';
import { edit, faultsOf } from '../room-fault.js';

const fault = faultsOf('hyperloglog-ts');

export const hyperloglogTsFaults: readonly PlantedFault[] = [
  fault(
    'merge',
    'a union stays folded after its reset',
    edit(
      'hyperloglog-ts/src/union.ts',
      '    if (this.#lgK !== this.#largestLgK) this.#setLgK(this.#largestLgK);\n',
      '',
    ),
  ),
  fault(
    'merge',
    'a sketch with coupons lowers the lgK of what it is merged into',
    edit(
      'hyperloglog-ts/src/sketch.ts',
      'if (!(theirs instanceof Registers)) this.updateCoupons(couponsIn(theirs));',
      'if (!(theirs instanceof Registers)) {\n      this.#lgK = Math.min(this.#lgK, other.#lgK);\n      this.updateCoupons(couponsIn(theirs));\n    }',
    ),
  ),
  fault(
    'merge',
    'registers fold a union that is no larger than they are',
    edit(
      'hyperloglog-ts/src/union.ts',
      'if (lgK < this.#lgK) this.#reduce(lgK);',
      'if (lgK <= this.#lgK) this.#reduce(lgK - 1);',
    ),
  ),
  fault(
    'merge',
    'a union calls an estimate exact',
    edit(
      'hyperloglog-ts/src/union.ts',
      'return !this.#dense && hiddenByCoupons(this.#coupons.count) === 0;',
      'return !this.#dense && hiddenByCoupons(0) === 0;',
    ),
  ),
  fault(
    'sketch',
    'an estimate is called exact beyond 201 values',
    edit(
      'hyperloglog-ts/src/estimate.ts',
      'if (expected < oddsOfBeingWrong) return 0;',
      'if (expected < 2 * oddsOfBeingWrong) return 0;',
    ),
  ),
];
