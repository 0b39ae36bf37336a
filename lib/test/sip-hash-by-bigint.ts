/** The slow, obvious oracle for keyed hashes: SipHash-c-d with 128 bits of output in BigInt arithmetic. */
const mask = 2n ** 64n - 1n;

export interface SipRounds {
  /** Rounds per 8 bytes. */
  readonly compression: number;
  /** Rounds per half of the hash. */
  readonly finalization: number;
}

/** Returns the 16 bytes of the hash. The key has 16 bytes. */
export function sipHashByBigint(key: Uint8Array, text: Uint8Array, rounds: SipRounds): Buffer {
  const state = new SipState(wordAt(key, 0), wordAt(key, 8));
  for (let at = 0; at + 8 <= text.length; at += 8) state.compress(wordAt(text, at), rounds.compression);
  const rest = text.subarray(text.length - (text.length % 8));
  const last = wordAt(Uint8Array.of(...rest, ...new Uint8Array(8 - rest.length)), 0);
  state.compress(last | (BigInt(text.length % 256) << 56n), rounds.compression);
  const hash = Buffer.alloc(16);
  state.v2 ^= 0xeen;
  hash.writeBigUInt64LE(state.finish(rounds.finalization), 0);
  state.v1 ^= 0xddn;
  hash.writeBigUInt64LE(state.finish(rounds.finalization), 8);
  return hash;
}

class SipState {
  #v0: bigint;
  v1: bigint;
  v2: bigint;
  #v3: bigint;

  constructor(k0: bigint, k1: bigint) {
    this.#v0 = k0 ^ 0x736f6d6570736575n;
    this.v1 = k1 ^ 0x646f72616e646f6dn ^ 0xeen; // ee: for 128 bits
    this.v2 = k0 ^ 0x6c7967656e657261n;
    this.#v3 = k1 ^ 0x7465646279746573n;
  }

  compress(word: bigint, rounds: number): void {
    this.#v3 ^= word;
    for (let i = 0; i < rounds; i++) this.#round();
    this.#v0 ^= word;
  }

  finish(rounds: number): bigint {
    for (let i = 0; i < rounds; i++) this.#round();
    return this.#v0 ^ this.v1 ^ this.v2 ^ this.#v3;
  }

  #round(): void {
    this.#v0 = (this.#v0 + this.v1) & mask;
    this.v1 = rotated(this.v1, 13n) ^ this.#v0;
    this.#v0 = rotated(this.#v0, 32n);
    this.v2 = (this.v2 + this.#v3) & mask;
    this.#v3 = rotated(this.#v3, 16n) ^ this.v2;
    this.#v0 = (this.#v0 + this.#v3) & mask;
    this.#v3 = rotated(this.#v3, 21n) ^ this.#v0;
    this.v2 = (this.v2 + this.v1) & mask;
    this.v1 = rotated(this.v1, 17n) ^ this.v2;
    this.v2 = rotated(this.v2, 32n);
  }
}

function wordAt(bytes: Uint8Array, at: number): bigint {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).readBigUInt64LE(at);
}

function rotated(word: bigint, by: bigint): bigint {
  return ((word << by) | (word >> (64n - by))) & mask;
}
