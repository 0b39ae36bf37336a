/**
 * One dictionary of the star: texts numbered from 1 in order of appearance. 0 means no text; an empty text counts as
 * none. Texts are identified by 128 bits of a hash under a key of this process (lib/memory/keyed-hash.ts). The file
 * holds the texts, so a process that adds to it hashes all of them first.
 */
import { KeyTable } from '../../lib/memory/key-table.js';
import { hashWords, type KeyedHash, type TextSpans } from '../../lib/memory/keyed-hash.js';
import { AppendFile, nothing, readTexts, type AppendSeal } from './append-file.js';

/** A dictionary's entry in the head. */
export interface DictionarySeal extends AppendSeal {
  readonly count: number;
}

export const noTexts: DictionarySeal = { ...nothing, count: 0 };

/** Called for each new text, which gets the next number. */
export type OnNewText = (bytes: Uint8Array, from: number, to: number) => void;

export class Dictionary {
  readonly #hash: KeyedHash;
  readonly #file: AppendFile;
  readonly #known: KeyTable;
  readonly #onNew: OnNewText;
  #hashes = new Int32Array(0);
  #count = 0;

  /** Reads the file. Throws `StarDamaged`. */
  constructor(hash: KeyedHash, path: string, seal: DictionarySeal, onNew: OnNewText) {
    this.#hash = hash;
    this.#file = new AppendFile(path, seal);
    this.#known = new KeyTable(seal.count);
    this.#onNew = onNew;
    for (const texts of readTexts(path, seal)) {
      const hashes = this.#hashesOf(texts);
      for (let i = 0; i < texts.count; i++) this.#known.set(hashes, hashWords * i, ++this.#count);
    }
  }

  /** Writes the number of each text into `numbers`; new texts are added. */
  read(texts: TextSpans, numbers: Int32Array): void {
    const { bytes, starts, ends, count } = texts;
    const hashes = this.#hashesOf(texts);
    this.#known.getAll(hashes, count, numbers);
    for (let i = 0; i < count; i++) {
      if ((numbers[i] ?? 0) >= 0) continue;
      const at = hashWords * i;
      const [from, to] = [starts[i] ?? 0, ends[i] ?? 0];
      let number = from === to ? 0 : this.#known.get(hashes, at); // the same text may occur twice in this call
      if (number < 0) {
        number = ++this.#count;
        this.#known.set(hashes, at, number);
        this.#file.text(bytes, from, to);
        this.#onNew(bytes, from, to);
      }
      numbers[i] = number;
    }
  }

  commit(): DictionarySeal {
    return { ...this.#file.commit(), count: this.#count };
  }

  close(): void {
    this.#file.close();
  }

  #hashesOf(texts: TextSpans): Int32Array {
    if (this.#hashes.length < hashWords * texts.count) this.#hashes = new Int32Array(hashWords * texts.count);
    this.#hash.spans(texts, this.#hashes);
    return this.#hashes;
  }
}
