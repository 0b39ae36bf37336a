/**
 * Texts -> numbers, whole columns at a time. Texts are told apart by 128 bits of a keyed hash, and a text is looked at
 * itself once, when it is new.
 */
import { KeyTable } from '../../lib/hash/key-table.js';
import { hashWords, type KeyedHash } from '../../lib/hash/keyed-hash.js';
import type { TextColumn } from '../text-column.js';

export class ColumnNumbers {
  readonly #hash: KeyedHash;
  readonly #numberOf: (text: string) => number;
  #known = new KeyTable();
  #hashes = new Int32Array(0);

  /** @param numberOf asked once for each text; 0 to 2^31 - 2 */
  constructor(hash: KeyedHash, numberOf: (text: string) => number) {
    this.#hash = hash;
    this.#numberOf = numberOf;
  }

  /** Writes the number of each row's text. */
  read(column: TextColumn, numbers: Int32Array): void {
    const { count: rows } = column;
    if (this.#hashes.length < hashWords * rows) this.#hashes = new Int32Array(hashWords * rows);
    const [hashes, known] = [this.#hashes, this.#known];
    this.#hash.spans(column, hashes);
    known.getAll(hashes, rows, numbers);
    for (let row = 0; row < rows; row++) {
      if ((numbers[row] ?? 0) >= 0) continue;
      let number = known.get(hashes, hashWords * row); // the same text may stand in two rows
      if (number < 0) {
        number = this.#numberOf(column.text(row));
        known.set(hashes, hashWords * row, number);
      }
      numbers[row] = number;
    }
  }

  /** Gives up the memory; nothing may be read any more. */
  forget(): void {
    this.#known = new KeyTable();
  }
}
