/**
 * docs/add-a-view.md is true: its edits, made to a copy of the sources, compile, and everything that it says must hold then
 * holds, the lambda law included.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { dimensions } from '../facts/subjects.js';
import { assetText } from '../lib/files/assets.js';
import { CopiedProject } from './planted-faults/copied-project.js';
import { tempDir } from './temp-dir.js';

/** A code block of the page: a new file, or lines to be added between lines that stand. */
interface Block {
  readonly file: string;
  readonly language: string;
  readonly lines: readonly string[];
}

/** Those that change files: each belongs to the file that was named last before it. */
function blocksOf(page: string): Block[] {
  const blocks: Block[] = [];
  for (const [, before = '', language = '', text = ''] of page.matchAll(/([^]*?)^```(\w+)\n([^]*?)^```$/gm)) {
    const named = [...before.matchAll(/`((?:[\w-]+\/)+[\w.-]+)`/g)].at(-1)?.[1];
    const file = named ?? blocks.at(-1)?.file ?? '';
    if (language !== 'sh') blocks.push({ file, language, lines: text.trimEnd().split('\n') });
  }
  return blocks;
}

function without(lines: readonly string[], sign: '+' | '-'): string {
  return lines
    .filter((line) => !line.startsWith(sign))
    .map((line) => line.slice(1))
    .join('\n');
}

test('the dimension that the page on views adds compiles, and the law holds for it', async () => {
  const base = tempDir('view');
  const project = new CopiedProject(join(base, 'project'));
  const blocks = blocksOf(assetText('docs/add-a-view.md'));
  if (dimensions.some(({ name }) => name === 'section')) {
    // Somebody has followed the page: its additions are there, and the other tests hold them.
    for (const { file, language, lines } of blocks) {
      const added = language === 'ts' ? lines.join('\n') : without(lines, '-');
      assert.ok(project.read(file).includes(added), `${file} has not:\n${added}`);
    }
    return;
  }
  for (const { file, language, lines } of blocks) {
    if (language === 'ts') project.create(file, `${lines.join('\n')}\n`);
    else project.edit(file, without(lines, '+'), without(lines, '-'));
  }
  const files = new Set(blocks.map(({ file }) => file));
  assert.equal(files.size, 5, [...files].join(' '));
  await project.build();
  const env = { UPDATE: '1' }; // docs/openapi.json, the sixth
  const tests: readonly [string, Readonly<Record<string, string>>][] = [
    ['facts/test/section.test', {}],
    ['test/oracle/oracle.test', {}],
    ['test/docs.test', {}],
    ['test/openapi.test', env],
    ['test/lambda-law.test', { RUNS: '6', SEED: '1' }],
  ];
  for (const [name, variables] of tests) {
    const { passed, output } = await project.runTest(name, variables);
    assert.ok(passed, `${name}\n${output}`);
  }
  assert.match(project.read('docs/openapi.json'), /"section"/);
});
