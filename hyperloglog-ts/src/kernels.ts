// The interface of the hot loops, and the choice between their two implementations: WebAssembly with SIMD (kernels.wat)
// if the engine supports it, else plain TypeScript. Each Kernels owns one memory; its creator decides the layout.
import { kernelsWasmBase64 } from './kernels-wasm.js';
import { typescriptKernels } from './kernels-typescript.js';

/** Bytes at the start of the memory that the kernels use: the counters of `histogram`, a table of `mergeMarked`. */
export const reservedBytes = 3072;

/** Unused bytes that must follow every buffer a kernel reads or writes: kernels work in steps of up to 32 bytes. */
export const slackBytes = 32;

/** Positions (`into`, `from`, ...) are byte offsets in `bytes`; integers in memory are little-endian. */
export interface Kernels {
  readonly backend: Backend;
  readonly bytes: Uint8Array;
  /** Returns the coupon of a 64-bit integer given as two halves. The sign of the result is undefined: use `>>> 0`. */
  couponOfInt64(low: number, high: number): number;
  /** Returns the coupon of a run of bytes, 0 if it is empty. The sign of the result is undefined: use `>>> 0`. */
  couponOfBytes(at: number, length: number): number;
  couponsOfInt64s(input: number, out: number, count: number): void;
  /** Computes the coupons of runs of bytes. Run i is between the 32-bit offsets ends[i] and ends[i + 1] from `data`. */
  couponsOfSpans(data: number, ends: number, out: number, count: number): void;
  /**
   * Sets into = max(into, from) byte by byte, `length` a multiple of 16. Returns nonzero if a byte of `from` is over
   * 63.
   */
  maxMerge(into: number, from: number, length: number): number;
  /**
   * Sets into[i] = max(into[i], the next byte of `values`) for each i of `length` (a multiple of 16) whose bit is set
   * in the length / 8 bytes of `marks`. Returns the number of bits set, which is the number of bytes of `values` used.
   */
  mergeMarked(into: number, marks: number, values: number, length: number): number;
  /** Unpacks each byte into two: its low and its high nibble, each with `base` added. */
  unpackNibbles(into: number, from: number, length: number, base: number): void;
  /**
   * Writes the running sums, modulo 2^32, of `count` varints (LEB128, at most five bytes each) as 32-bit integers.
   * Returns the position after the last varint.
   */
  sumVarints(into: number, from: number, count: number): number;
  /** Counts the values 0..63 among `length` bytes, a multiple of 8, into 64 32-bit counters at offset 0. */
  histogram(from: number, length: number): void;
}

export type Backend = 'wasm' | 'typescript';

/**
 * Creates kernels with a zeroed memory of at least `sizeBytes` bytes. Without `backend` it uses the fastest one that
 * the engine can run; `wasm` throws the engine's error if it cannot run.
 */
export function createKernels(sizeBytes: number, backend: Backend = detectBackend()): Kernels {
  return backend === 'wasm' ? wasmKernels(sizeBytes) : typescriptKernels(sizeBytes);
}

// Compiling is the only reliable test: a content security policy may forbid what the engine supports.
function detectBackend(): Backend {
  if (typeof WebAssembly === 'undefined') return 'typescript';
  try {
    compiledModule();
    return 'wasm';
  } catch {
    return 'typescript';
  }
}

function wasmKernels(sizeBytes: number): Kernels {
  const { exports } = new WebAssembly.Instance(compiledModule());
  const missingPages = Math.ceil(sizeBytes / pageBytes) - exports.memory.buffer.byteLength / pageBytes;
  if (missingPages > 0) exports.memory.grow(missingPages);
  // Copied one by one, because calls through the frozen exports object are slower.
  const { couponOfInt64, couponOfBytes, couponsOfInt64s, couponsOfSpans } = exports;
  const { maxMerge, mergeMarked, unpackNibbles, sumVarints, histogram } = exports;
  return {
    backend: 'wasm',
    bytes: new Uint8Array(exports.memory.buffer),
    couponOfInt64,
    couponOfBytes,
    couponsOfInt64s,
    couponsOfSpans,
    maxMerge,
    mergeMarked,
    unpackNibbles,
    sumVarints,
    histogram,
  };
}

const pageBytes = 65_536;
let compiled: Module | undefined;

// Compiled once, on first use, so that importing the package costs nothing.
function compiledModule(): Module {
  compiled ??= new WebAssembly.Module(Uint8Array.from(atob(kernelsWasmBase64), (c) => c.charCodeAt(0)));
  return compiled;
}

// The parts of the WebAssembly API used here; TypeScript declares them only for browsers.
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => Module;
  readonly Instance: new (module: Module) => { readonly exports: Exports };
};

interface Module {
  readonly [Symbol.toStringTag]: 'WebAssembly.Module';
}

interface Exports extends Omit<Kernels, 'backend' | 'bytes'> {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
}
