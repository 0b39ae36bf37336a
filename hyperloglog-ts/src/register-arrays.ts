// Kernels for registers in ordinary arrays, as sketches have them: they are copied piece by piece through the memory of
// one set of kernels. (A union keeps its registers in a kernels' memory.)
import { createKernels, reservedBytes, slackBytes } from './kernels.js';
import type { Kernels } from './kernels.js';

const pieceBytes = 16_384;
const intoAt = reservedBytes;
const fromAt = intoAt + pieceBytes + slackBytes;

/** Sets into[i] = max(into[i], from[i]) over the length of `into`, a multiple of 16. */
export function maxInto(into: Uint8Array, from: Uint8Array): void {
  const kernels = sharedKernels();
  for (let at = 0; at < into.length; at += pieceBytes) {
    const end = Math.min(into.length, at + pieceBytes);
    kernels.bytes.set(into.subarray(at, end), intoAt);
    kernels.bytes.set(from.subarray(at, end), fromAt);
    kernels.maxMerge(intoAt, fromAt, end - at);
    into.set(kernels.bytes.subarray(intoAt, intoAt + end - at), at);
  }
}

/** Counts how many registers hold each value 0..63. The length must be a multiple of 16. */
export function histogramOf(registers: Uint8Array): Uint32Array {
  const kernels = sharedKernels();
  const counters = new Uint32Array(kernels.bytes.buffer, 0, 64);
  const histogram = new Uint32Array(64);
  for (let at = 0; at < registers.length; at += pieceBytes) {
    const end = Math.min(registers.length, at + pieceBytes);
    kernels.bytes.set(registers.subarray(at, end), intoAt);
    kernels.histogram(intoAt, end - at);
    for (let value = 0; value < 64; value++) {
      histogram[value] += counters[value];
    }
  }
  return histogram;
}

/** Unpacks each byte into two: its low and its high nibble, each with `base` added. */
export function unpackNibbles(packed: Uint8Array, base: number): Uint8Array {
  const kernels = sharedKernels();
  const unpacked = new Uint8Array(2 * packed.length);
  const step = pieceBytes / 2;
  for (let at = 0; at < packed.length; at += step) {
    const length = Math.min(step, packed.length - at);
    kernels.bytes.set(packed.subarray(at, at + length), fromAt);
    kernels.unpackNibbles(intoAt, fromAt, length, base);
    unpacked.set(kernels.bytes.subarray(intoAt, intoAt + 2 * length), 2 * at);
  }
  return unpacked;
}

let shared: Kernels | undefined;

// Created on first use. Its memory is scratch space: nothing in it outlives a call.
function sharedKernels(): Kernels {
  shared ??= createKernels(fromAt + pieceBytes + slackBytes);
  return shared;
}
