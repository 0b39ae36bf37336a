/** Layers that end processes by kill -9, or let them stand still. */
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { currentIfAny } from '../../serving/current.js';
import { eventually } from '../eventually.js';
import { childrenOf, rolesApart } from './system-under-test.js';
import type { Layer } from './layer.js';
import type { Random } from './load.js';
import { Shim, shimSkip, type Order } from './shim.js';
import { Trial } from './trial.js';

/** What is waited for before the fault: two batch runs at most, which give way to everything else on a busy machine (`nice` 10). */
const runsMs = 240_000;

const linuxOnly = process.platform === 'linux' ? false : 'needs /proc';

/** A layer whose rounds hurt one system, started before the first; true where the fault hit. */
function onOneTrial(
  layer: Omit<Layer, 'open'> & {
    readonly roles: 'together' | 'apart';
    readonly hurt: (trial: Trial, random: Random, number: number) => Promise<boolean>;
  },
): Layer {
  const { roles, hurt, ...rest } = layer;
  return {
    ...rest,
    async open(t) {
      const trial = await Trial.start(t, roles);
      return { round: (random, number) => trial.round(random, () => hurt(trial, random, number)) };
    },
  };
}

const killAll = onOneTrial({
  name: 'kill -9 of everything',
  rounds: 2,
  minimum: 2,
  skip: false,
  roles: 'together',
  hurt: async (trial, random) => {
    if (random(2) === 0) await trial.askForRun();
    await delay(random(1_200));
    await trial.system.kill('all');
    return true;
  },
});

const killRole = onOneTrial({
  name: 'kill -9 of one role',
  rounds: 5,
  minimum: 5,
  skip: false,
  roles: 'apart',
  hurt: async (trial, random, number) => {
    if (random(2) === 0) await trial.askForRun();
    await delay(random(1_000));
    await trial.system.kill(rolesApart[number % rolesApart.length] ?? 'speed');
    await delay(random(300));
    return true;
  },
});

const stopRole = onOneTrial({
  name: 'one role stands still (SIGSTOP), and goes on',
  rounds: 5,
  minimum: 5,
  skip: false,
  roles: 'apart',
  hurt: async (trial, random, number) => {
    const role = rolesApart[number % rolesApart.length] ?? 'speed';
    if (random(2) === 0) await trial.askForRun();
    await delay(random(500));
    trial.system.signal(role, 'SIGSTOP');
    await delay(300 + random(2_000));
    trial.system.signal(role, 'SIGCONT');
    return true;
  },
});

/** A run's process, some time into its work; undefined when it was through before. */
async function runningChild(trial: Trial, random: Random): Promise<number | undefined> {
  const parent = trial.system.pid('all');
  const child = await eventually('a batch run', async () => {
    const [first] = childrenOf(parent);
    if (first === undefined) await trial.askForRun();
    return first;
  });
  await delay(random(900));
  return childrenOf(parent).includes(child) ? child : undefined;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** A child that outlives its parent must end by itself. */
const childEndsMs = 20_000;

const killParent = onOneTrial({
  name: "kill -9 of a batch run's parent",
  rounds: 2,
  minimum: 1,
  skip: linuxOnly,
  roles: 'together',
  hurt: async (trial, random) => {
    const child = await runningChild(trial, random);
    await trial.system.kill('all');
    if (child === undefined) return false;
    const end = (): true | undefined => (isAlive(child) ? undefined : true);
    await eventually(`the end of batch run ${child}, whose parent is gone`, end, childEndsMs);
    return true;
  },
});

const killChild = onOneTrial({
  name: 'kill -9 of a batch run',
  rounds: 2,
  minimum: 1,
  skip: linuxOnly,
  roles: 'together',
  hurt: async (trial, random) => {
    const child = await runningChild(trial, random);
    if (child !== undefined) process.kill(child, 'SIGKILL');
    return child !== undefined;
  },
});

const killHandOver = onOneTrial({
  name: 'kill -9 in the middle of a hand-over',
  rounds: 2,
  minimum: 2,
  skip: false,
  roles: 'together',
  hurt: async (trial, random) => {
    const before = currentIfAny(trial.system.dataDir);
    await eventually('a run is asked for', async () => (await trial.askForRun()) || undefined);
    const isNew = (): boolean => {
      const current = currentIfAny(trial.system.dataDir);
      return current !== undefined && current !== before;
    };
    await eventually('a new batch view', isNew, runsMs);
    await delay(random(250));
    await trial.system.kill('all');
    return true;
  },
});

/** The steps at which a process is killed, by the call that makes them; `*` crosses slashes. The seed says where a run begins. */
export const steps: readonly (readonly [string, Pick<Order, 'ops' | 'path'>])[] = [
  ['a commit of the log is written', { ops: ['write'], path: '*/log/segment-*' }],
  ['a commit of the log is synced', { ops: ['sync'], path: '*/log/segment-*' }],
  ['a segment of the log gets its name', { ops: ['link'], path: '*/log/segment-*.log' }],
  ['the watermark moves', { ops: ['write'], path: '*/log/watermark' }],
  ['a Parquet file is synced', { ops: ['sync'], path: '*/commit.parquet.tmp' }],
  ['a Parquet file gets its name', { ops: ['link'], path: '*/commit.parquet.tmp' }],
  ['a manifest gets its name', { ops: ['link'], path: '*/manifests/*.json' }],
  ['merged Parquet files get their name', { ops: ['link'], path: '*/compaction.parquet.tmp' }],
  ['a merged Parquet file is removed', { ops: ['unlink'], path: '*/master/*.parquet' }],
  ['META is synced', { ops: ['sync'], path: '*/serving/building/view-*/META*' }],
  ['a batch view gets its name', { ops: ['rename'], path: '*/serving/views/v*' }],
  ['CURRENT is replaced', { ops: ['rename'], path: '*/serving/CURRENT' }],
  ['SERVING is replaced', { ops: ['rename'], path: '*/speed/SERVING' }],
  ['an epoch of the speed layer is committed', { ops: ['write'], path: '*/speed/v*/data.mdb' }],
  ['a generation of the speed layer is removed', { ops: ['unlink'], path: '*/speed/v*/data.mdb' }],
];

const namedSteps: Layer = {
  name: 'kill -9 at a named step',
  rounds: 8,
  minimum: 8,
  skip: shimSkip,
  async open(t, seed) {
    let shim: Shim | undefined;
    const trial = await Trial.start(t, 'together', {
      environment: (root) => {
        shim = new Shim(t, root);
        return shim.env({ log: false });
      },
    });
    assert.ok(shim !== undefined);
    const armed = shim;
    return {
      round: (random, number) =>
        trial.round(random, async () => {
          const [name, order] = steps[(seed + number) % steps.length] ?? ['', { ops: [] }];
          const after = random(2) === 0;
          armed.arm({ ...order, time: 1 + random(2), action: 'kill', after });
          const isKilled = async (): Promise<boolean> => {
            if (armed.fired > 0) return true;
            trial.startMissing();
            await trial.askForRun();
            await delay(100);
            return false;
          };
          await eventually(
            `a process is killed ${after ? 'after' : 'before'} this: ${name}`,
            isKilled,
            runsMs,
          );
          armed.disarm();
          return true;
        }),
    };
  },
};

export const killLayers: readonly Layer[] = [
  killAll,
  killRole,
  stopRole,
  killParent,
  killChild,
  killHandOver,
  namedSteps,
];
