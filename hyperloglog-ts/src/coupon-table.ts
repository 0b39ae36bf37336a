// The SET of the DataSketches format: an open-addressing hash table of coupons, 32 to 2^(lgK-3) cells, never over three
// quarters full. Probing and growth are the format's, so the cells in their order are what its updatable form writes.

/** A set of coupons that grows. Coupons are 32-bit integers, signed or not, and not 0. */
export class CouponTable {
  #cells: Uint32Array;
  #count = 0;

  constructor(lgSize = 5) {
    this.#cells = new Uint32Array(2 ** lgSize);
  }

  get count(): number {
    return this.#count;
  }

  /** The table as it is, 0 for a free cell. Not a copy. */
  get cells(): Uint32Array {
    return this.#cells;
  }

  /** Adds a coupon; false if it was there. */
  add(signedOrNot: number): boolean {
    const coupon = signedOrNot >>> 0; // as cells give it back
    const cell = findCell(this.#cells, coupon);
    if (this.#cells[cell] !== 0) return false;
    this.#cells[cell] = coupon;
    this.#count++;
    if (4 * this.#count > 3 * this.#cells.length) this.#grow();
    return true;
  }

  clear(): void {
    if (this.#count === 0) return;
    this.#cells.fill(0);
    this.#count = 0;
  }

  copy(): CouponTable {
    const copy = new CouponTable();
    copy.#cells = this.#cells.slice();
    copy.#count = this.#count;
    return copy;
  }

  /** The coupons in the order of the table. */
  toArray(): Uint32Array {
    const coupons = new Uint32Array(this.#count);
    let count = 0;
    for (const coupon of this.#cells) if (coupon !== 0) coupons[count++] = coupon;
    return coupons;
  }

  #grow(): void {
    const old = this.#cells;
    this.#cells = new Uint32Array(2 * old.length);
    for (const coupon of old) if (coupon !== 0) this.#cells[findCell(this.#cells, coupon)] = coupon;
  }
}

// The cell that holds the coupon, or the free one where it belongs. The stride is odd and the size a power of two, so
// every cell is reached, and a table is never full.
function findCell(cells: Uint32Array, coupon: number): number {
  const mask = cells.length - 1;
  let cell = coupon & mask;
  let found = cells[cell];
  if (found === 0 || found === coupon) return cell;
  const stride = ((coupon & 0x3ffffff) >>> (31 - Math.clz32(cells.length))) | 1;
  do {
    cell = (cell + stride) & mask;
    found = cells[cell];
  } while (found !== 0 && found !== coupon);
  return cell;
}
