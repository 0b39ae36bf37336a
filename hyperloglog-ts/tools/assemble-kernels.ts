// Assembles WebAssembly text files: node assemble-kernels.js [--check] <name>.wat ... writes each module's bytes as
// base64 into <name>-wasm.ts beside it or, with --check, fails if that file is outdated. The generated files are
// checked in, so a build needs no assembler; tests run the check.
import { readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';
import wabt from 'wabt';

/** Returns the TypeScript module for the WebAssembly text of `<name>.wat`. */
export async function assembleKernels(name: string, source: string): Promise<string> {
  const assembler = await wabt();
  const module = assembler.parseWat(`${name}.wat`, source, { simd: true, bulk_memory: true });
  module.validate();
  const base64 = Buffer.from(module.toBinary({}).buffer).toString('base64');
  module.destroy();
  const lines = base64.match(/.{1,100}/g) ?? [];
  return [
    `// Made by \`npm run kernels\` from ${name}.wat. Do not edit.`,
    `export const ${camelCase(name)}WasmBase64 =`,
    lines.map((line) => `  '${line}'`).join(' +\n') + ';',
    '',
  ].join('\n');
}

/** Converts 'sip-hash' to 'sipHash'. */
function camelCase(name: string): string {
  return name.replace(/-(.)/g, (_dash, letter: string) => letter.toUpperCase());
}

async function main(args: readonly string[]): Promise<void> {
  const paths = args.filter((arg) => arg !== '--check');
  for (const path of paths) {
    const module = await assembleKernels(basename(path, '.wat'), readFileSync(path, 'utf8'));
    const target = path.replace(/\.wat$/, '-wasm.ts');
    if (!args.includes('--check')) writeFileSync(target, module);
    else if (readFileSync(target, 'utf8') !== module)
      throw new Error(`${target} is not what ${path} assembles to: npm run kernels writes it`);
  }
}

if (argv[1] === fileURLToPath(import.meta.url)) await main(argv.slice(2));
