/**
 * Kills the embedded log's writer repeatedly at random moments, and fills its disk for a while. The list of
 * acknowledged records is kept in this process, outside the killed one. RUNS= sets the number of rounds.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { zeroOffsets } from '../cut.js';
import { openEmbeddedLog } from '../embedded/embedded-log.js';
import { openEmbeddedWriter } from '../embedded/writer.js';
import type { Log } from '../log.js';
import { readUntil, suitePartitions, type Seen } from './log-conformance.js';
import { eventually } from '../../test/eventually.js';
import { tempDir } from '../../test/temp-dir.js';

const childPath = fileURLToPath(new URL('log-writer-child.js', import.meta.url));
const rounds = Number(process.env['RUNS'] ?? 30);

/** The writing process and its output. */
class Writing {
  readonly process: ChildProcess;
  readonly acknowledged: string[];
  readonly refusals: string[] = [];
  readonly #ended: Promise<unknown>;

  constructor(command: readonly string[], acknowledged: string[]) {
    const [program = '', ...args] = command;
    this.acknowledged = acknowledged;
    this.process = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#ended = once(this.process, 'close');
    assert.ok(this.process.stdout !== null);
    createInterface({ input: this.process.stdout }).on('line', (line) => {
      if (line.startsWith('+ ')) this.acknowledged.push(...line.slice(2).split(' '));
      else this.refusals.push(line.slice(2));
    });
  }

  async kill(): Promise<void> {
    this.process.kill('SIGKILL');
    await this.#ended; // after this all it said has been read
  }
}

const command = (dir: string, segmentBytes: number, name: string): string[] => [process.execPath, childPath, dir, String(segmentBytes), name]; // prettier-ignore

/** Everything in the log; each partition must be dense from 0. */
async function readAll(log: Log): Promise<Map<string, Seen[]>> {
  const reader = await log.openReader({ from: zeroOffsets(log.partitions), consumer: 'check' });
  const all = await readUntil(reader, await log.latest());
  await reader.close();
  for (const [name, list] of all) {
    list.forEach((item, i) =>
      assert.equal(item.offset, i, `${name} has a hole before offset ${item.offset}`),
    );
  }
  return all;
}

function textsOf(all: ReadonlyMap<string, readonly Seen[]>): string[] {
  return [...all.values()].flat().map((item) => item.text.trimEnd());
}

function checkLedger(acknowledged: readonly string[], all: ReadonlyMap<string, readonly Seen[]>): void {
  const stored = textsOf(all);
  const distinct = new Set(stored);
  assert.equal(distinct.size, stored.length, 'no record is in the log twice');
  assert.deepEqual(acknowledged.filter((text) => !distinct.has(text)).slice(0, 10), [], 'acknowledged but lost'); // prettier-ignore
}

test(`${rounds} kills at random moments: no acknowledged record is lost or duplicated, and followers see all`, async () => {
  const dir = tempDir('kill');
  try {
    const log = await openEmbeddedLog({ dir, partitions: suitePartitions });
    const follower = await log.openReader({ from: zeroOffsets(log.partitions), consumer: 'follower' });
    const followed = new Map<string, Seen[]>();
    const following = new AbortController();
    const follow = async (): Promise<void> => {
      while (!following.signal.aborted) {
        for (const batch of await follower.next({ maxRecords: 700, timeoutMs: 50 })) {
          const list = followed.get(batch.name) ?? [];
          followed.set(batch.name, list);
          batch.offsets.forEach((offset, i) => list.push({ offset, text: Buffer.from(batch.values[i] ?? []).toString() })); // prettier-ignore
        }
      }
    };
    const done = follow();
    const acknowledged: string[] = [];
    for (let round = 0; round < rounds; round++) {
      const before = acknowledged.length;
      const writing = new Writing(command(dir, 65_536, `r${round}`), acknowledged);
      // A moment after a random number of acknowledgements: anywhere in a commit or a roll.
      const enough = before + 1 + Math.floor(Math.random() * 2000);
      await eventually(`round ${round} does not get going`, () => acknowledged.length >= enough);
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 3));
      await writing.kill();
      assert.deepEqual(writing.refusals, []);
    }
    const recovered = await openEmbeddedWriter({ dir, partitions: suitePartitions, segmentBytes: 65_536 });
    const all = await readAll(recovered);
    checkLedger(acknowledged, all);
    await eventually('the follower stays behind', () => textsOf(followed).length >= textsOf(all).length);
    following.abort();
    await done;
    assert.deepEqual(followed, all, 'the follower saw exactly the log');
    await Promise.all([recovered.close(), log.close()]);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

const skip = spawnSync('prlimit', ['--version']).status === 0 ? false : 'no prlimit here';

test(
  'a full disk refuses appends as retryable, and the log resumes by itself when there is space',
  { skip },
  async () => {
    const dir = tempDir('full');
    try {
      const acknowledged: string[] = [];
      const limited = ['prlimit', '--fsize=200000:unlimited', ...command(dir, 2 ** 27, 'f')];
      const writing = new Writing(limited, acknowledged);
      await eventually('the limit is not felt', () => writing.refusals.length >= 20);
      assert.deepEqual([...new Set(writing.refusals)], ['log.unavailable true']);
      const log = await openEmbeddedLog({ dir, partitions: suitePartitions });
      const whileFull = acknowledged.length;
      checkLedger(acknowledged.slice(0, whileFull), await readAll(log));
      const raised = spawnSync('prlimit', [`--pid=${writing.process.pid}`, '--fsize=unlimited:unlimited']);
      assert.equal(raised.status, 0, String(raised.stderr));
      await eventually('the log does not resume', () => acknowledged.length > whileFull + 2000);
      await writing.kill();
      checkLedger(acknowledged, await readAll(log));
      await log.close();
    } finally {
      rmSync(dir, { recursive: true });
    }
  },
);
