/** The shim itself, and the order checker on logs worked out by hand: each way in which an order can be wrong is found. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkOrder } from './order.js';
import { Shim, shimSkip, type Order, type ShimEvent } from './shim.js';
import { tempDir } from '../temp-dir.js';

const root = '/data';

type Step = readonly [ShimEvent['op'], string, string?];

/** Of one thread: calls that have two lines get both. Every path has one inode. */
function eventsOf(...steps: readonly Step[]): ShimEvent[] {
  const inodes = new Map<string, number>();
  const inodeOf = (path: string): number => {
    const known = inodes.get(path) ?? inodes.size + 1;
    inodes.set(path, known);
    return known;
  };
  return steps.flatMap(([op, name, other]) => {
    const path = name === '' ? root : `${root}/${name}`;
    const target = other === undefined ? '' : `${root}/${other}`;
    const event = { pid: 1, thread: 1, op, inode: inodeOf(path), offset: 0, length: 1, path, target };
    if (other !== undefined) inodes.set(target, event.inode);
    const isTwoLines = ['sync', 'rename', 'link', 'unlink'].includes(op);
    return isTwoLines
      ? [
          { ...event, outcome: 'begin' },
          { ...event, outcome: 'ok' },
        ]
      : [{ ...event, outcome: 'ok' }];
  }) as ShimEvent[];
}

const log: readonly Step[] = [
  ['mkdir', 'log'],
  ['sync', ''],
  ['create', 'log/segment-0000000001.log'],
  ['sync', 'log'],
  ['write', 'log/segment-0000000001.log'],
  ['sync', 'log/segment-0000000001.log'],
];
const segment = 'log/segment-0000000001.log';
const ack: Step = ['ack', 'facts'];

function without(steps: readonly Step[], left: number): Step[] {
  return steps.filter((_, i) => i !== left);
}

function found(steps: readonly Step[]): string[] {
  return checkOrder(eventsOf(...steps), root, false).violations.map(
    ({ moment, what }) => `${moment}: ${what}`,
  );
}

test('an acknowledgement after all syncs is in order; without any one of them it is not', () => {
  assert.deepEqual(found([...log, ack]), []);
  assert.deepEqual(found([...without(log, 1), ack]), ['an acknowledgement: the name log is not']);
  assert.deepEqual(found([...without(log, 3), ack]), [`an acknowledgement: the name ${segment} is not`]);
  assert.deepEqual(found([...without(log, 5), ack]), [`an acknowledgement: the bytes of ${segment} are not`]);
});

test('a sync covers what was written before it began, not what came while it ran', () => {
  const events = eventsOf(...log, ['sync', segment], ack);
  const late = eventsOf(...log).findLast(({ op }) => op === 'write');
  assert.ok(late !== undefined);
  const begin = events.findLastIndex(({ op, outcome }) => op === 'sync' && outcome === 'begin');
  const other = { ...late, thread: 2 };
  assert.deepEqual(checkOrder(events.toSpliced(begin, 0, other), root, false).violations, []);
  assert.equal(checkOrder(events.toSpliced(begin + 1, 0, other), root, false).violations.length, 1);
});

test('a sync that is tried again after it failed proves nothing; facts that were refused need no proof', () => {
  const start = eventsOf(...log).length;
  const failed = eventsOf(...log, ['write', segment], ['sync', segment]).map((event, i, all) =>
    i === all.length - 1 ? { ...event, outcome: 'failed' as const } : event,
  );
  const again = eventsOf(...log, ['sync', segment], ack).slice(start);
  const refused = eventsOf(...log, ['refused', 'facts'], ack).slice(start);
  assert.equal(checkOrder([...failed, ...again], root, false).violations.length, 1);
  assert.deepEqual(checkOrder([...failed, ...refused], root, false).violations, []);
});

test('a file that gets its name before its bytes are synced is found, whatever it is', () => {
  const temp = 'master/root.json.1.tmp';
  const steps: readonly Step[] = [
    ['create', temp],
    ['write', temp],
    ['sync', temp],
    ['link', temp, 'master/root.json'],
  ];
  assert.deepEqual(found(steps), []);
  assert.deepEqual(found(without(steps, 2)), [
    'any other file gets its name: the bytes of master/root.json are not',
  ]);
});

test('at the end every kept name is durable, also of what was renamed with its folder', () => {
  const steps: readonly Step[] = [
    ['mkdir', 'serving'],
    ['mkdir', 'serving/building'],
    ['mkdir', 'serving/views'],
    ['sync', ''],
    ['sync', 'serving'],
    ['mkdir', 'serving/building/view-1'],
    ['create', 'serving/building/view-1/META'],
    ['sync', 'serving/building/view-1'],
    ['rename', 'serving/building/view-1', 'serving/views/v000001-aaaaaaaa'],
    ['sync', 'serving/views'],
  ];
  const atEnd = (taken: readonly Step[]): string[] =>
    checkOrder(eventsOf(...taken), root, true).violations.map(({ what }) => what);
  assert.deepEqual(atEnd(steps), []);
  assert.deepEqual(atEnd(without(steps, 7)), ['the name serving/views/v000001-aaaaaaaa/META is not']);
  assert.deepEqual(atEnd(without(steps, 9)), ['the name serving/views/v000001-aaaaaaaa is not']);
});

test('the shim does to a call what it is told, and writes down what it saw', { skip: shimSkip }, (t) => {
  const dir = tempDir('shim-test');
  const shim = new Shim(t, dir);
  const path = join(dir, 'file');
  const script = `
    const fs = require('node:fs');
    const fd = fs.openSync(${JSON.stringify(path)}, 'w');
    let said = '';
    try { said += fs.writeSync(fd, Buffer.from('abcdef')); } catch (error) { said += error.code; }
    try { fs.fsyncSync(fd); } catch (error) { said += ' ' + error.code; }
    process.stdout.write(said);`;
  const run = (order: Order): string => {
    shim.arm(order);
    writeFileSync(path, '');
    const env = { PATH: process.env['PATH'], ...shim.env({ log: true }) };
    const { stdout, signal } = spawnSync(process.execPath, ['-e', script], { env });
    return `${signal ?? stdout.toString()}, ${readFileSync(path, 'utf8')}, ${shim.fired}`;
  };
  assert.equal(run({ ops: [], action: 'fail' }), '6, abcdef, 0');
  assert.equal(run({ ops: ['write'], action: 'fail', error: 'ENOSPC' }), 'ENOSPC, , 1');
  // Some versions of libuv write the rest by themselves.
  assert.match(run({ ops: ['write'], action: 'short' }), /^(3, abc|6, abcdef), 1$/);
  assert.equal(run({ ops: ['write'], action: 'torn', error: 'EIO' }), 'EIO, abc, 1');
  assert.equal(run({ ops: ['sync'], action: 'fail', path: '*/file' }), '6 EIO, abcdef, 1');
  assert.equal(run({ ops: ['sync'], action: 'fail', path: '*/other' }), '6, abcdef, 0');
  assert.equal(run({ ops: ['write', 'sync'], action: 'fail', time: 2 }), '6 EIO, abcdef, 1');
  assert.equal(run({ ops: ['write', 'sync'], action: 'fail', sticky: true }), 'EIO EIO, , 2');
  assert.equal(run({ ops: ['write'], action: 'kill' }), 'SIGKILL, , 1');
  assert.equal(run({ ops: ['write'], action: 'kill', after: true }), 'SIGKILL, abcdef, 1');
  assert.equal(run({ ops: ['write'], action: 'cut' }), 'SIGKILL, abc, 1');
  assert.equal(run({ ops: ['sync'], action: 'cut' }), 'SIGKILL, abcdef, 1');
  shim.forget();
  run({ ops: [], action: 'fail' });
  const seen = shim.events().map(({ op, outcome, length }) => `${op} ${outcome} ${length}`);
  assert.deepEqual(seen, ['truncate ok 0', 'write ok 6', 'sync begin 0', 'sync ok 0']);
});
