// Assembles src/kernels.wat and writes it into src/kernels-wasm.ts as base64 (`npm run kernels`). The generated file is
// checked in, so that a build needs no assembler; a test fails when the two no longer agree.
import { readFileSync, writeFileSync } from 'node:fs';
import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';
import wabt from 'wabt';

/** The TypeScript module that belongs to a WebAssembly text. */
export async function assembleKernels(source: string): Promise<string> {
  const assembler = await wabt();
  const module = assembler.parseWat('kernels.wat', source, { simd: true, bulk_memory: true });
  module.validate();
  const base64 = Buffer.from(module.toBinary({}).buffer).toString('base64');
  module.destroy();
  const lines = base64.match(/.{1,100}/g) ?? [];
  return [
    '// Made by `npm run kernels` from kernels.wat. Do not edit.',
    'export const kernelsWasmBase64 =',
    lines.map((line) => `  '${line}'`).join(' +\n') + ';',
    '',
  ].join('\n');
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  const source = new URL('../../src/', import.meta.url);
  const module = await assembleKernels(readFileSync(new URL('kernels.wat', source), 'utf8'));
  writeFileSync(new URL('kernels-wasm.ts', source), module);
}
