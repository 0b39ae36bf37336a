import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { timeStart, type Fact } from '../../lib/facts/fact.js';
import { hashKeyBytes } from '../../lib/hash/keyed-hash.js';
import { takeSnapshot } from '../../master-data/snapshot.js';
import { runPersonJob, type FoundPersons, type PersonJob } from '../persons/person-job.js';
import { PersonThread } from '../persons/person-thread.js';
import { makeHouse, store, testClock } from './house.js';

/** Enough for a thread of its own. */
const edges = Array.from({ length: 12_000 }, (_, i): Fact => {
  const mixed = Math.imul(i + 1, 0x9e3779b1) >>> 0;
  return {
    type: i % 50 === 0 ? 'retract' : 'equiv',
    a: `cookie:${mixed % 20_011}`,
    b: `user:${(mixed >>> 9) % 15_013}`,
    timestamp: timeStart + i,
    eventId: `edge${i}`,
    receivedAt: testClock(),
  };
});

async function makeJob(t: TestContext): Promise<(name: string) => PersonJob> {
  const config = makeHouse(t);
  await store(config, edges);
  const { files: all, cut } = takeSnapshot(config.dataDir);
  const files = all.filter(({ topic }) => topic === 'equivs');
  return (name) => {
    const dir = join(config.dataDir, name);
    mkdirSync(dir);
    const tempDir = join(dir, 'temp');
    return {
      hashKey: new Uint8Array(hashKeyBytes),
      files,
      cut,
      maxIds: 0,
      identityPath: join(dir, 'identity.dat'),
      tempDir,
      memoryLimit: '256MB',
      threads: 2,
    };
  };
}

test('a thread of its own finds and writes the same persons', async (t) => {
  const jobIn = await makeJob(t);
  const here = jobIn('here');
  const found: FoundPersons[] = [];
  const written = await runPersonJob(here, (persons) => found.push(persons), new AbortController().signal);
  const job = jobIn('thread');
  const thread = new PersonThread(job);
  assert.deepEqual([await thread.found], found);
  assert.ok((found[0]?.ends.length ?? 0) > 100);
  assert.deepEqual(await thread.written, written);
  assert.deepEqual(readFileSync(job.identityPath), readFileSync(here.identityPath));
});

test('a damaged file of edges is named to whoever waits, and stopping afterwards does no harm', async (t) => {
  const job = (await makeJob(t))('damaged');
  const [file] = job.files;
  assert.ok(file !== undefined);
  truncateSync(file.path, file.sizeBytes - 1);
  const thread = new PersonThread(job);
  const named = { code: 'master.corrupt', message: new RegExp(`${file.sizeBytes - 1} bytes`) };
  await assert.rejects(thread.found, named);
  await assert.rejects(thread.written, named);
  await thread.stop();
});

test('stopped at any moment, the thread ends by itself', async (t) => {
  const jobIn = await makeJob(t);
  const atOnce = new PersonThread(jobIn('at once'));
  await atOnce.stop();
  await assert.rejects(atOnce.found, { name: 'AbortError' });
  const later = new PersonThread(jobIn('later'));
  await later.found;
  await later.stop();
  const [ended] = await Promise.allSettled([later.written]); // it may have been as quick as we were
  assert.ok(ended.status === 'fulfilled' || (ended.reason as Error).name === 'AbortError');
  const aborting = new AbortController();
  const aborted = new PersonThread(jobIn('aborted'), aborting.signal);
  aborting.abort(new Error('enough'));
  await assert.rejects(aborted.written, { message: 'enough' });
});
