/**
 * Faults planted in a copy of the sources, one at a time: each must be caught by the test it names. PLANTED=all tries all
 * of them, PLANTED=<words> those whose room or name has them; by default those that are caught quickly.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { assetText } from '../lib/files/assets.js';
import { CopiedProject } from './planted-faults/copied-project.js';
import type { PlantedFault } from './planted-faults/fault.js';
import { durableFileFaults } from './planted-faults/durable-files.js';
import { lambdaLawFaults } from './planted-faults/lambda-law.js';
import { roomFaults } from './planted-faults/rooms.js';

const faults: readonly PlantedFault[] = [...lambdaLawFaults, ...durableFileFaults, ...roomFaults];
const wanted = process.env['PLANTED'] ?? '';

function isWanted({ room, name, isQuick = false }: PlantedFault): boolean {
  if (wanted === '') return isQuick;
  return wanted === 'all' || `${room}: ${name}`.includes(wanted);
}

test('the text that each planted fault replaces is there once', () => {
  const misses = faults.flatMap(({ room, name, edits }) =>
    edits
      .filter(({ file, find }) => assetText(file).split(find).length !== 2)
      .map(({ file }) => `${room}: ${name} (${file})`),
  );
  assert.deepEqual(misses, []);
});

test('planted faults are caught', async (t) => {
  const base = mkdtempSync(join(tmpdir(), 'swa-planted-'));
  t.after(() => rmSync(base, { recursive: true, force: true }));
  const chosen = faults.filter(isWanted);
  assert.ok(chosen.length > 0, `no fault is named '${wanted}'`);
  const project = new CopiedProject(join(base, 'project'));
  for (const one of chosen) {
    await t.test(`${one.room}: ${one.name}`, async (inner) => {
      const { passed, failures, output } = await project.outcomeOf(one);
      assert.ok(!passed && failures.length > 0, `${one.test} does not catch it:\n${output}`);
      inner.diagnostic(`${one.room}: ${one.name} -> ${one.test} (${failures.join('; ')})`);
    });
  }
  // What fails anyway catches nothing.
  for (const [name, { test: file, env = {} }] of new Map(
    chosen.map((one) => [`${one.test} ${JSON.stringify(one.env)}`, one]),
  )) {
    await t.test(`without a fault: ${name}`, async () => {
      const { passed, output } = await project.outcomeOf({ name, room: '', edits: [], test: file, env });
      assert.ok(passed, output);
    });
  }
});
