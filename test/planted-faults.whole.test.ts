/**
 * Faults planted in a copy of the sources, one at a time: each must be caught by the test it names. PLANTED=all tries all
 * of them, PLANTED=<words> those whose room or name has them; by default some, drawn at random, of those that are caught quickly. SEED=
 * draws the same again.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { allFaults } from './planted-faults/all.js';
import { CopiedProject, deadlineFor } from './planted-faults/copied-project.js';
import type { PlantedFault } from './planted-faults/fault.js';
import { shuffled } from './random.js';
import { tempDir } from './temp-dir.js';
import { seededRandom } from '../topology/random.js';

const wanted = process.env['PLANTED'] ?? '';
const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);
const drawn = 4;

function chosenFaults(): readonly PlantedFault[] {
  if (wanted === '') {
    const quick = allFaults.filter(({ isQuick = false }) => isQuick);
    return shuffled(seededRandom(seed), quick).slice(0, drawn);
  }
  return allFaults.filter(({ room, name }) => wanted === 'all' || `${room}: ${name}`.includes(wanted));
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

test(`planted faults are caught (SEED=${seed})`, async (t) => {
  const chosen = chosenFaults();
  assert.ok(chosen.length > 0, `no fault is named '${wanted}'`);
  const project = new CopiedProject(join(tempDir('planted'), 'project'));
  const byTest = new Map(chosen.map((one) => [keyOf(one), one]));
  const usualMs = new Map<string, number>();
  await project.build();
  for (const [name, { test: file, env = {} }] of byTest) {
    await t.test(`without a fault: ${name}`, async () => {
      const { passed, output, durationMs } = await project.runTest(file, env);
      assert.ok(passed, output); // what fails anyway catches nothing
      usualMs.set(name, durationMs);
    });
  }
  for (const one of chosen) {
    await t.test(`${one.room}: ${one.name}`, async (inner) => {
      const { passed, failures, output } = await project.outcomeOf(
        one,
        deadlineFor(usualMs.get(keyOf(one)) ?? 0),
      );
      assert.ok(!passed && failures.length > 0, `${one.test} does not catch it:\n${output}`);
      inner.diagnostic(`${one.room}: ${one.name} -> ${one.test} (${failures.join('; ')})`);
    });
  }
  await t.test('a fault that makes its test hang is caught when its time is over', async () => {
    const { passed, failures, durationMs } = await project.outcomeOf(hanging, 5_000);
    assert.deepEqual([passed, failures], [false, ['it did not end within 5 s']]);
    assert.ok(durationMs < hangsMs / 2, `${durationMs} ms`);
  });
});
