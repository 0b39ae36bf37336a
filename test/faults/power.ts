/**
 * Layers that take the power away: of a real ext4 file system, and, where there is none to mount, of a disk made from the
 * shim's log (crashed-disk.ts), which is stricter: what a file system happens to keep it may lose.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import type { TestContext } from 'node:test';
import { assetPath } from '../../lib/files/assets.js';
import { openDataDir } from '../../lib/files/data-dir.js';
import { systemClock } from '../../lib/time/clock.js';
import { openLogWriter } from '../../log/open-log.js';
import { drainLogToMaster } from '../../master-data/role.js';
import { eventually } from '../eventually.js';
import { checkHistory } from './checker.js';
import { CrashedDisk } from './crashed-disk.js';
import { readLog, readMasterRows, withDropped } from './system-under-test.js';
import { steps } from './kills.js';
import type { Layer } from './layer.js';
import type { Random } from './load.js';
import { Shim, shimSkip } from './shim.js';
import { Trial, assertNone } from './trial.js';
import { tempDir } from '../temp-dir.js';

/** States of one cut that are looked at; the last one goes on. */
const statesOfCut = 4;

const simulated: Layer = {
  name: 'a power cut, from the log of calls',
  rounds: 2,
  minimum: 2,
  skip: shimSkip,
  async open(t) {
    let shim: Shim | undefined;
    const trial = await Trial.start(t, 'together', {
      environment: (root) => {
        shim = new Shim(t, root);
        return shim.env({ log: 'with bytes' });
      },
    });
    const { system } = trial;
    assert.ok(shim !== undefined);
    const seen = shim;
    const disk = new CrashedDisk(system.dataDir);
    return {
      round: (random, number) =>
        trial.round(random, async () => {
          if (random(2) === 0) await trial.askForRun();
          if (number % 2 === 0) await delay(random(1_500));
          else await untilStep(trial, seen, random);
          await system.killAllAndChildren();
          disk.take(seen.events());
          seen.forget();
          const { unsure } = disk;
          t.diagnostic(`${unsure} changes are not sure`);
          for (let i = 1; i < statesOfCut; i++)
            await checkState(trial, disk, random, i === 1 ? 'undone' : 'any');
          disk.cut(random, random(3) === 0 ? 'undone' : 'any');
          becomeAnotherBoot(system.dataDir);
          return unsure > 0;
        }),
    };
  },
};

/** Until a process has been killed at a step that names or syncs something. */
async function untilStep(trial: Trial, shim: Shim, random: Random): Promise<void> {
  const [name, order] = steps[random(steps.length)] ?? ['', { ops: [] }];
  shim.arm({ ...order, time: 1 + random(2), action: 'kill', after: random(2) === 0 });
  await eventually(`a process is killed at this: ${name}`, async () => {
    if (shim.fired > 0) return true;
    await trial.askForRun();
    await delay(100);
    return undefined;
  });
  shim.disarm();
}

/** Without the whole system: the log is opened and brought into the master dataset. */
async function checkState(
  { system, history }: Trial,
  disk: CrashedDisk,
  random: Random,
  fate: 'undone' | 'any',
): Promise<void> {
  const dataDir = join(system.dataDir, '..', 'state');
  mkdirSync(dataDir, { mode: 0o700 });
  disk.writeTo(dataDir, random, fate);
  becomeAnotherBoot(dataDir);
  const config = { ...system.config, dataDir };
  openDataDir(config);
  const log = await openLogWriter(config, systemClock);
  try {
    await drainLogToMaster({ config, clock: systemClock }, { log });
    const master = await readMasterRows(dataDir);
    const stored = withDropped({ ...(await readLog(log)), master }, history);
    assertNone(checkHistory(history, stored, system.counting, []));
  } finally {
    await log.close();
  }
  rmSync(dataDir, { recursive: true });
}

/** The machine has started anew: what was written names an earlier run of it. Damaged files stay damaged. */
function becomeAnotherBoot(dataDir: string): void {
  const [boot, before] = [readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim(), '0'.repeat(36)];
  for (const name of readdirSync(dataDir, { recursive: true, encoding: 'utf8' })) {
    const path = join(dataDir, name);
    if (basename(name) === 'STORE') {
      writeFileSync(path, readFileSync(path, 'latin1').replace(boot, before), 'latin1');
    } else if (name === join('log', 'watermark')) {
      const bytes = readFileSync(path);
      if (bytes.length < 44 || bytes.readUInt32LE(4) !== crc32(bytes.subarray(8))) continue;
      bytes.write(before, 8, 'latin1');
      bytes.writeUInt32LE(crc32(bytes.subarray(8)), 4);
      writeFileSync(path, bytes);
    }
  }
}

const ext4Skip =
  process.platform !== 'linux' || process.getuid?.() !== 0
    ? 'needs root to mount a file system'
    : spawnSync('losetup', ['-f']).status !== 0 || spawnSync('mkfs.ext4', ['-V']).status !== 0
      ? 'needs loop devices and mkfs.ext4'
      : shimSkip;

class Ext4 {
  readonly mount: string;
  readonly #image: string;
  readonly #off: string;

  constructor(t: TestContext) {
    const dir = tempDir('ext4');
    this.mount = join(dir, 'mount');
    this.#image = join(dir, 'image');
    this.#off = join(dir, 'power-off');
    mkdirSync(this.mount);
    writeFileSync(this.#image, '');
    truncateSync(this.#image, 256 * 2 ** 20);
    execFileSync('cc', ['-o', this.#off, assetPath('test/faults/power-off.c')]);
    execFileSync('mkfs.ext4', ['-q', this.#image]);
    this.on();
    t.after(() => {
      spawnSync('umount', ['-l', this.mount]);
      rmSync(dir, { recursive: true, force: true });
    });
  }

  on(): void {
    execFileSync('mount', ['-o', 'loop', this.#image, this.mount]);
  }

  off(): void {
    execFileSync(this.#off, [this.mount]);
  }

  leave(): void {
    execFileSync('umount', [this.mount]);
  }
}

const ext4: Layer = {
  name: 'a power cut of an ext4 file system',
  rounds: 1 / 3, // the long form; the short one has the simulated disk, which needs no loop device
  minimum: 1 / 3,
  skip: ext4Skip,
  async open(t) {
    const disk = new Ext4(t);
    const trial = await Trial.start(t, 'together', { at: disk.mount });
    return {
      round: (random) =>
        trial.round(random, async () => {
          if (random(2) === 0) await trial.askForRun();
          await delay(random(1_500));
          disk.off();
          await trial.system.killAllAndChildren();
          disk.leave();
          disk.on();
          becomeAnotherBoot(trial.system.dataDir);
          return true;
        }),
    };
  },
};

export const powerLayers: readonly Layer[] = [simulated, ext4];
