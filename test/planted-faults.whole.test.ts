/**
 * Faults planted in a copy of the sources, one at a time: each must be caught by the test it names. PLANTED=all tries all
 * of them, PLANTED=<words> those whose room or name has them; by default those that are caught quickly.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { allFaults } from './planted-faults/all.js';
import { CopiedProject, deadlineFor } from './planted-faults/copied-project.js';
import type { PlantedFault } from './planted-faults/fault.js';
import { tempDir } from './temp-dir.js';
const wanted = process.env['PLANTED'] ?? '';

function isWanted({ room, name, isQuick = false }: PlantedFault): boolean {
  if (wanted === '') return isQuick;
  return wanted === 'all' || `${room}: ${name}`.includes(wanted);
}

/** Which runs of tests are the same. */
function keyOf({ test: file, env = {} }: PlantedFault): string {
  return [file, ...Object.entries(env).map(([name, value]) => `${name}=${value}`)].join(' ');
}

const hangsMs = 120_000;
/** With a process of its own, which keeps the output open. */
const hanging: Pick<PlantedFault, 'edits' | 'test'> = {
  test: 'log/test/group-commit.test',
  edits: [
    {
      file: 'log/group-commit.ts',
      find: 'import { SwaError,',
      replace: "import { spawn } from 'node:child_process';\nimport { SwaError,",
    },
    {
      file: 'log/group-commit.ts',
      find: '  add(item: P): Promise<void> {\n',
      replace: `  add(item: P): Promise<void> {
    spawn('sleep', ['${hangsMs / 1000}'], { stdio: 'inherit' });
    while (this.#waitingBytes >= 0);
`,
    },
  ],
};

test('planted faults are caught', async (t) => {
  const chosen = allFaults.filter(isWanted);
  assert.ok(chosen.length > 0, `no fault is named '${wanted}'`);
  const project = new CopiedProject(join(tempDir('planted'), 'project'));
  for (const name of new Set(chosen.map(keyOf))) {
    const faultsOfTest = chosen.filter((one) => keyOf(one) === name);
    let usualMs = 0;
    await t.test(`without a fault: ${name}`, async () => {
      for (const { test: file, env = {} } of faultsOfTest.slice(0, 1)) {
        const { passed, output, durationMs } = await project.outcomeOf({ edits: [], test: file, env });
        assert.ok(passed, output); // what fails anyway catches nothing
        usualMs = durationMs;
      }
    });
    for (const one of faultsOfTest) {
      await t.test(`${one.room}: ${one.name}`, async (inner) => {
        const { passed, failures, output } = await project.outcomeOf(one, deadlineFor(usualMs));
        assert.ok(!passed && failures.length > 0, `${one.test} does not catch it:\n${output}`);
        inner.diagnostic(`${one.room}: ${one.name} -> ${one.test} (${failures.join('; ')})`);
      });
    }
  }
  await t.test('a fault that makes its test hang is caught when its time is over', async () => {
    const { passed, failures, durationMs } = await project.outcomeOf(hanging, 5_000);
    assert.deepEqual([passed, failures], [false, ['it did not end within 5 s']]);
    assert.ok(durationMs < hangsMs / 2, `${durationMs} ms`);
  });
});
