import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { assembleKernels } from '../tools/assemble-kernels.js';

const source = new URL('../../src/', import.meta.url);

test('the embedded WebAssembly is what kernels.wat assembles to, byte for byte', async () => {
  const assembled = await assembleKernels('kernels', readFileSync(new URL('kernels.wat', source), 'utf8'));
  assert.equal(readFileSync(new URL('kernels-wasm.ts', source), 'utf8'), assembled);
});
