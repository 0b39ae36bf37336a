// The functions of kernels.wat in plain TypeScript: for engines without WebAssembly SIMD, and as the reference that
// property tests compare the WebAssembly with. Buffers are offsets in one memory, as there.
import type { Kernels } from './kernels.js';
import { Murmur3 } from './murmur3.js';

export function typescriptKernels(sizeBytes: number): Kernels {
  const memory = new ArrayBuffer(sizeBytes);
  const bytes = new Uint8Array(memory);
  const words = new DataView(memory);
  const counters = new Uint32Array(memory, 0, 64);
  const murmur = new Murmur3();

  return {
    backend: 'typescript',
    bytes,

    couponOfInt64: (low, high) => murmur.couponOfInt64(low, high),

    couponOfBytes: (at, length) => murmur.couponOfBytes(bytes, at, at + length),

    couponsOfInt64s(input, out, count) {
      for (let i = 0; i < count; i++) {
        const low = words.getInt32(input + 8 * i, true);
        const high = words.getInt32(input + 8 * i + 4, true);
        words.setUint32(out + 4 * i, murmur.couponOfInt64(low, high), true);
      }
    },

    couponsOfSpans(data, ends, out, count) {
      let from = words.getUint32(ends, true);
      for (let i = 0; i < count; i++) {
        const to = words.getUint32(ends + 4 * i + 4, true);
        words.setUint32(out + 4 * i, murmur.couponOfBytes(bytes, data + from, data + to), true);
        from = to;
      }
    },

    maxMerge(into, from, length) {
      let seen = 0;
      for (let i = 0; i < length; i++) {
        const value = bytes[from + i];
        seen |= value;
        if (value > bytes[into + i]) bytes[into + i] = value;
      }
      return seen & 0xc0;
    },

    mergeMarked(into, marks, values, length) {
      let next = values;
      for (let i = 0; i < length; i++) {
        if (((bytes[marks + (i >> 3)] >>> (i & 7)) & 1) === 0) continue;
        const value = bytes[next++];
        if (value > bytes[into + i]) bytes[into + i] = value;
      }
      return next - values;
    },

    unpackNibbles(into, from, length, base) {
      for (let i = 0; i < length; i++) {
        const pair = bytes[from + i];
        bytes[into + 2 * i] = (pair & 15) + base;
        bytes[into + 2 * i + 1] = (pair >>> 4) + base;
      }
    },

    sumVarints(into, from, count) {
      let at = from;
      let sum = 0;
      for (let i = 0; i < count; i++) {
        let byte = 0x80;
        for (let shift = 0; byte >= 0x80 && shift < 35; shift += 7) {
          byte = bytes[at++];
          sum += (byte & (shift < 28 ? 0x7f : 0xff)) << shift;
        }
        words.setUint32(into + 4 * i, sum, true);
      }
      return at;
    },

    histogram(from, length) {
      counters.fill(0);
      for (let i = 0; i < length; i++) {
        const value = bytes[from + i] & 63;
        counters[value]++;
      }
    },
  };
}
