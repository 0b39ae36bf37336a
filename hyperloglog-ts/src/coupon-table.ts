// The SET of the DataSketches format: an open-addressing hash table of coupons, 32 to 2^(lgK-3) cells, at most three
// quarters full. It probes and grows as the format does, so its cells are exactly what the updatable form contains.

/** A growing set of coupons: nonzero 32-bit integers, signed or unsigned. */
export class CouponTable {
  #cells: Uint32Array;
  #count = 0;

  constructor(lgSize = 5) {
    this.#cells = new Uint32Array(2 ** lgSize);
  }

  get count(): number {
    return this.#count;
  }

  /** The cells of the table, 0 for a free one. Not a copy. */
  get cells(): Uint32Array {
    return this.#cells;
  }

  /** Adds a coupon; returns false if it was already there. */
  add(signedOrNot: number): boolean {
    const coupon = signedOrNot >>> 0; // as it is read from cells
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

  /** Returns the coupons in the order of the table. */
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

// Returns the cell that holds the coupon, or the free one where it belongs. The stride is odd and the size a power of
// two, so every cell is reached, and the table is never full.
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
