// One interface over the hot loops, and the choice between their two forms: WebAssembly with SIMD (kernels.wat) where
// the engine has it, plain TypeScript elsewhere. Each Kernels owns one memory; whoever makes it lays that memory out.
import { kernelsWasmBase64 } from './kernels-wasm.js';
import { typescriptKernels } from './kernels-typescript.js';

/** The bytes at the start of the memory that kernels work in: the counters of `histogram`, a table of `mergeMarked`. */
export const reservedBytes = 3072;

/** Free bytes that must follow every buffer a kernel reads or writes: they work in steps of up to 32 bytes. */
export const slackBytes = 32;

/** Places (`into`, `from`, ...) are byte offsets in `bytes`; integers in memory are little-endian. */
export interface Kernels {
  readonly backend: Backend;
  readonly bytes: Uint8Array;
  /** The coupon of a 64-bit integer given as two halves; the sign of the result is not defined: use `>>> 0`. */
  couponOfInt64(low: number, high: number): number;
  /** The coupon of a run of bytes, 0 if it is empty; the sign of the result is not defined: use `>>> 0`. */
  couponOfBytes(at: number, length: number): number;
  couponsOfInt64s(input: number, out: number, count: number): void;
  /** Run i lies between the 32-bit offsets ends[i] and ends[i + 1] from `data`. */
  couponsOfSpans(data: number, ends: number, out: number, count: number): void;
  /** into = max(into, from), byte by byte, `length` a multiple of 16. Nonzero if a byte of `from` is over 63. */
  maxMerge(into: number, from: number, length: number): number;
  /**
   * into[i] = max(into[i], the next byte from `values`) for each i of `length` (a multiple of 16) whose bit is set in
   * the length / 8 bytes of `marks`. Returns how many are set: so many bytes of `values` were taken.
   */
  mergeMarked(into: number, marks: number, values: number, length: number): number;
  /** Each byte becomes two: its low and its high nibble, `base` added. */
  unpackNibbles(into: number, from: number, length: number, base: number): void;
  /**
   * Running sums, modulo 2^32, of `count` varints (LEB128, at most five bytes each) as 32-bit integers. Returns the place
   * after the last varint.
   */
  sumVarints(into: number, from: number, count: number): number;
  /** Counts the values 0..63 among `length` bytes, a multiple of 8, into 64 32-bit counters at offset 0. */
  histogram(from: number, length: number): void;
}

export type Backend = 'wasm' | 'typescript';

/**
 * Kernels with a memory of at least `sizeBytes` bytes, zeroed. Without a `backend` the fastest that the engine can run;
 * asking for `wasm` where it cannot run throws what the engine throws.
 */
export function createKernels(sizeBytes: number, backend: Backend = detectBackend()): Kernels {
  return backend === 'wasm' ? wasmKernels(sizeBytes) : typescriptKernels(sizeBytes);
}

// Compiling is the real test: a content security policy may forbid what the engine supports.
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
  // Copied one by one: the exports object itself is frozen and slower to call through.
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

// Immutable code, compiled once and on first use, so that importing the package costs nothing.
function compiledModule(): Module {
  compiled ??= new WebAssembly.Module(Uint8Array.from(atob(kernelsWasmBase64), (c) => c.charCodeAt(0)));
  return compiled;
}

// The few parts of the WebAssembly API in use; TypeScript declares them only for browsers.
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
