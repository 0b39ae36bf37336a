/**
 * The engine's source of random numbers, injected and seeded so that a run can be repeated exactly.
 *
 * The generator is sfc32 (Chris Doty-Humphrey, PractRand): 128 bits of state, mixed by addition. The addition matters:
 * the acker XORs ids, and ids from a generator that is linear over XOR (xorshift, Mersenne Twister) can cancel out by
 * construction instead of once in 2^64.
 */
export interface Random {
  /** Uniform over [-2^31, 2^31): 32 random bits. */
  int32(): number;
}

export function seededRandom(seed: number): Random {
  return new Sfc32(seed);
}

/** Uniform over [0, bound), for bounds far below 2^32 (the bias is bound / 2^32). */
export function below(random: Random, bound: number): number {
  return Math.floor(((random.int32() >>> 0) / 0x1_0000_0000) * bound);
}

const warmUpRounds = 12;

class Sfc32 implements Random {
  private a: number;
  private b: number;
  private c = 0;
  private counter = 1;

  constructor(seed: number) {
    this.a = seed | 0;
    this.b = Math.floor(seed / 0x1_0000_0000) | 0;
    for (let i = 0; i < warmUpRounds; i++) this.int32();
  }

  int32(): number {
    const out = (this.a + this.b + this.counter) | 0;
    this.counter = (this.counter + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = (((this.c << 21) | (this.c >>> 11)) + out) | 0;
    return out;
  }
}
