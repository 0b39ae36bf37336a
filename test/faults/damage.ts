/** Layers that leave the processes alone and hurt the disk: a full one, and realtime stores that are not what was written. */
import assert from 'node:assert/strict';
import {
  closeSync,
  openSync,
  readSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { roomOf } from '../../lib/files/data-dir.js';
import { eventually } from '../eventually.js';
import { fillUp, mountSmallDisk } from '../small-disk.js';
import type { Layer } from './layer.js';
import type { Random } from './load.js';
import { Trial } from './trial.js';

const isRoot = process.platform === 'linux' && process.getuid?.() === 0;

const fullDisk: Layer = {
  name: 'a full disk',
  rounds: 1,
  minimum: 1,
  skip: isRoot ? false : 'needs root to mount a small file system',
  async open(t) {
    const mount = mountSmallDisk(t, 48);
    assert.ok(mount !== undefined, 'cannot mount a tmpfs here');
    const trial = await Trial.start(t, 'together', { at: mount });
    return {
      round: (random) =>
        trial.round(random, async () => {
          await delay(random(500));
          const { refused } = trial.history;
          const filler = join(mount, 'filler');
          fillUp(filler);
          if (random(2) === 0) await trial.askForRun();
          await eventually('facts are rejected', () => trial.history.refused > refused + 3 || undefined);
          await delay(random(1_500));
          rmSync(filler);
          return true;
        }),
    };
  },
};

/** Ways to damage one file, each named. */
const damages: readonly (readonly [string, (path: string, random: Random) => void])[] = [
  [
    'a byte is flipped',
    (path, random) => {
      const at = random(statSync(path).size);
      const fd = openSync(path, 'r+');
      const byte = Buffer.alloc(1);
      readSync(fd, byte, 0, 1, at);
      byte[0] = (byte[0] ?? 0) ^ (1 << random(8));
      writeSync(fd, byte, 0, 1, at);
      closeSync(fd);
    },
  ],
  ['it is cut short', (path, random) => truncateSync(path, random(statSync(path).size))],
  [
    'a part is zeroed',
    (path, random) => {
      const { size } = statSync(path);
      const at = random(size);
      const fd = openSync(path, 'r+');
      writeSync(fd, Buffer.alloc(Math.min(4096, size - at)), 0, Math.min(4096, size - at), at);
      closeSync(fd);
    },
  ],
  ['it is emptied', (path) => truncateSync(path, 0)],
  ['it is gone', (path) => rmSync(path)],
  ['it is garbage', (path) => writeFileSync(path, 'not what was written')],
];

const targets = ['SERVING', 'STORE', 'data.mdb'] as const;

function speedFiles(dataDir: string): string[] {
  const room = roomOf(dataDir, 'speed');
  return readdirSync(room, { recursive: true, encoding: 'utf8' })
    .map((name) => join(room, name))
    .filter((path) => statSync(path).isFile() && statSync(path).size > 0)
    .toSorted();
}

const damagedSpeed: Layer = {
  name: 'damaged realtime stores',
  rounds: 4,
  minimum: 4,
  skip: false,
  async open(t, seed) {
    const trial = await Trial.start(t, 'together');
    return {
      round: (random, round) =>
        trial.round(random, async () => {
          const number = seed + round;
          if (random(2) === 0) await trial.askForRun();
          await delay(400 + random(800));
          await trial.system.kill('all');
          const target = targets[number % targets.length] ?? '';
          const files = speedFiles(trial.system.dataDir).filter((file) => basename(file) === target);
          const path = files[random(files.length)];
          assert.ok(path !== undefined, `the speed layer keeps no ${target}`);
          // Every damage to every target in turn: all damages in as many rounds, all pairs in thrice as many.
          const turn = Math.floor(number / targets.length) + 2 * (number % targets.length);
          const [name, damage] = damages[turn % damages.length] ?? ['', () => undefined];
          t.diagnostic(`${path.slice(trial.system.dataDir.length + 1)}: ${name}`);
          damage(path, random);
          return true;
        }),
    };
  },
};

export const damageLayers: readonly Layer[] = [fullDisk, damagedSpeed];
