// The package with less than Node offers: in an engine without WebAssembly, and in one without Node's own modules.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { HllSketch, HllUnion } from '../src/index.js';
import { createKernels } from '../src/kernels.js';

test('without WebAssembly the same sketch comes out', () => {
  const script = `
    delete globalThis.WebAssembly; // newer versions of Node have no flag for it
    const { HllSketch, HllUnion } = await import('${new URL('../src/index.js', import.meta.url).href}');
    const sketch = new HllSketch({ lgK: 11 });
    for (let i = 0; i < 5000; i++) sketch.update('visitor ' + i);
    const union = new HllUnion({ lgK: 11 }).addSketch(sketch).addSketch(sketch);
    console.log(JSON.stringify([
      typeof WebAssembly, union.estimate(), Buffer.from(sketch.toBytes({ type: 'HLL_4' })).toString('base64'),
    ]));`;
  const flags = ['--input-type=module', '--eval', script];
  const [wasm, estimate, bytes]: unknown[] = JSON.parse(
    execFileSync(process.execPath, flags, { encoding: 'utf8' }),
  );
  const sketch = new HllSketch({ lgK: 11 });
  for (let i = 0; i < 5000; i++) sketch.update(`visitor ${i}`);
  assert.equal(wasm, 'undefined');
  assert.equal(bytes, Buffer.from(sketch.toBytes({ type: 'HLL_4' })).toString('base64'));
  assert.equal(estimate, new HllUnion({ lgK: 11 }).addSketch(sketch).estimate());
});

test('here WebAssembly is in use', () => {
  assert.equal(createKernels(2048).backend, 'wasm');
});

test('the source uses nothing that only Node has', () => {
  const source = fileURLToPath(new URL('../../src/', import.meta.url));
  for (const name of readdirSync(source).filter((file) => file.endsWith('.ts'))) {
    const code = readFileSync(source + name, 'utf8').replaceAll(/\/\/.*$/gm, '');
    assert.doesNotMatch(code, /node:|\bBuffer\.|\bprocess\b|\brequire\(/, name);
    for (const [, from] of code.matchAll(/from '([^']+)'/g)) assert.match(from ?? '', /^\.\//, name);
  }
});
