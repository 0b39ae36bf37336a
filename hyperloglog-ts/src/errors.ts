// The error class of this package, with a stable code.

export type HllErrorCode =
  | 'HLL_BAD_LGK' // lgK is not an integer from 4 to 21
  | 'HLL_BAD_VALUE' // not countable: a number that is not a safe integer, a bigint outside 64 bits, any other type
  | 'HLL_BAD_COUPON' // a coupon whose value part is 0
  | 'HLL_BAD_REGISTERS' // an array that is not 2^lgK long, or a register over 63
  | 'HLL_BAD_ARGUMENT' // any other argument out of its range
  | 'HLL_BAD_BYTES'; // serialised bytes that are not a valid sketch

export class HllError extends Error {
  readonly code: HllErrorCode;

  constructor(code: HllErrorCode, message: string) {
    super(message);
    this.name = 'HllError';
    this.code = code;
  }
}

/**
 * Thrown for bytes that are not a valid sketch. `field`, as named by the format, and `offset` say where they are
 * invalid.
 */
export class HllFormatError extends HllError {
  readonly offset: number;
  readonly field: string;

  constructor(offset: number, field: string, problem: string) {
    super('HLL_BAD_BYTES', `not an HLL sketch: ${field} at byte ${offset} ${problem}`);
    this.name = 'HllFormatError';
    this.offset = offset;
    this.field = field;
  }
}
