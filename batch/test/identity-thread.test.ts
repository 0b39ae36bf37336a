import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { PackedTexts } from '../../lib/memory/packed-texts.js';
import { writeIdentity } from '../../serving/identity.js';
import { IdentityThread } from '../persons/identity-thread.js';
import { eachPerson, type Members } from '../arrays/persons.js';
import { tempDir } from '../../test/temp-dir.js';

/** Persons of three ids each, enough for a separate thread. */
const persons: Members = {
  ids: PackedTexts.of(Array.from({ length: 30_000 }, (_, i) => `cookie:${String(i).padStart(6, '0')}`)),
  members: Uint32Array.from({ length: 30_000 }, (_, i) => i),
  ends: Uint32Array.from({ length: 10_000 }, (_, i) => 3 * (i + 1)),
};

test('a separate thread writes the same persons, and may be stopped at any moment', async () => {
  const dir = tempDir('identity');
  const here = await writeIdentity(join(dir, 'here'), persons.ids, eachPerson(persons));
  const thread = new IdentityThread(join(dir, 'thread'), persons);
  const { seal, hashes } = await thread.written;
  assert.deepEqual([{ ...seal, name: 'here' }, hashes], [here.seal, here.hashes]);
  assert.deepEqual(readFileSync(join(dir, 'thread')), readFileSync(join(dir, 'here')));
  await thread.stop();
  const stopped = new IdentityThread(join(dir, 'stopped'), persons);
  await stopped.stop();
  await assert.rejects(stopped.written, /the thread that writes persons ended/);
});

test('a file that the thread cannot write is an error', async () => {
  const dir = tempDir('identity');
  await assert.rejects(new IdentityThread(join(dir, 'no', 'file'), persons).written, /ENOENT/);
});
