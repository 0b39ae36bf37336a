// The slow, obvious oracle for coupons: MurmurHash3 x64-128 with seed 9001 in BigInt arithmetic, as its author states it.

const mask = 2n ** 64n - 1n;
const c1 = 0x87c37b91114253d5n;
const c2 = 0x4cf5ad432745937fn;

export function couponByBigint(bytes: Uint8Array): number {
  if (bytes.length === 0) return 0;
  let h1 = 9001n;
  let h2 = 9001n;
  const blocksEnd = bytes.length - (bytes.length % 16);
  for (let at = 0; at < blocksEnd; at += 16) {
    h1 ^= scramble1(word(bytes, at, at + 8));
    h1 = ((rotate(h1, 27n) + h2) * 5n + 0x52dce729n) & mask;
    h2 ^= scramble2(word(bytes, at + 8, at + 16));
    h2 = ((rotate(h2, 31n) + h1) * 5n + 0x38495ab5n) & mask;
  }
  h2 ^= scramble2(word(bytes, blocksEnd + 8, bytes.length));
  h1 ^= scramble1(word(bytes, blocksEnd, Math.min(bytes.length, blocksEnd + 8)));
  h1 ^= BigInt(bytes.length);
  h2 ^= BigInt(bytes.length);
  h1 = (h1 + h2) & mask;
  h2 = (h2 + h1) & mask;
  h1 = finalize(h1);
  h2 = finalize(h2);
  h1 = (h1 + h2) & mask;
  h2 = (h2 + h1) & mask;
  const zeros = 64 - (h2 === 0n ? 0 : h2.toString(2).length);
  return ((Math.min(zeros, 62) + 1) * 2 ** 26 + Number(h1 & 0x3ffffffn)) >>> 0;
}

function word(bytes: Uint8Array, from: number, to: number): bigint {
  let value = 0n;
  for (let i = to - 1; i >= from; i--) value = (value << 8n) | BigInt(bytes[i] ?? 0);
  return value;
}

function rotate(value: bigint, bits: bigint): bigint {
  return ((value << bits) | (value >> (64n - bits))) & mask;
}

function scramble1(k: bigint): bigint {
  return (rotate((k * c1) & mask, 31n) * c2) & mask;
}

function scramble2(k: bigint): bigint {
  return (rotate((k * c2) & mask, 33n) * c1) & mask;
}

function finalize(value: bigint): bigint {
  let x = value;
  x = ((x ^ (x >> 33n)) * 0xff51afd7ed558ccdn) & mask;
  x = ((x ^ (x >> 33n)) * 0xc4ceb9fe1a85ec53n) & mask;
  return x ^ (x >> 33n);
}
