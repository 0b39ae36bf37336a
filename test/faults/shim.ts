/**
 * The other side of shim.c: compiles it, says what it is to do, and reads what it has seen. Needs Linux and a C compiler
 * (`cc`); `shimSkip` says when they are missing.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { assetPath } from '../../lib/files/assets.js';
import { tempDir } from '../temp-dir.js';

/** Why tests that need the shim are skipped here; false where it can be built. */
export const shimSkip: string | false =
  process.platform === 'linux' && spawnSync('cc', ['--version']).status === 0
    ? false
    : 'needs Linux and a C compiler (cc)';

const opBits = {
  write: 1,
  sync: 2,
  rename: 4,
  link: 8,
  truncate: 16,
  unlink: 32,
  mkdir: 64,
  create: 128,
  /** Of a file or folder that is there. */
  open: 256,
  read: 512,
} as const;
export type Op = keyof typeof opBits;
const allOps = Object.keys(opBits) as readonly Op[];
/** Those that change files. The others can only fail, and count only where an order names them. */
export const ops = allOps.filter((op) => op !== 'open' && op !== 'read');

/**
 * `short`: half of the bytes are written, and the call says so. `torn`: half of them, and the call fails. `cut`: half of them, and the
 * process is killed; calls that write nothing kill it before. `hang`: the call never returns, of those that write nothing.
 */
const actions = { fail: 1, short: 2, torn: 3, kill: 4, stop: 5, cut: 6, hang: 7 } as const;

export interface Order {
  readonly ops: readonly Op[];
  /** fnmatch of the call's path, or of either path of a rename or link; `*` crosses slashes. All by default. */
  readonly path?: string;
  /** Which of the matching calls, from 1. Default the first. */
  readonly time?: number;
  readonly action: keyof typeof actions;
  readonly error?: 'EIO' | 'ENOSPC' | 'EMFILE' | 'EACCES';
  /** Kills or stops when the call is done; else before. */
  readonly after?: boolean;
  /** Every later call as well. */
  readonly sticky?: boolean;
}

/** One line of the shim's log. A write stands there once it is done; a sync or a change of names also where it begins. */
export interface ShimEvent {
  readonly pid: number;
  readonly thread: number;
  readonly op:
    | 'write'
    | 'write-sync'
    | 'truncate'
    | 'create'
    | 'mkdir'
    | 'sync'
    | 'rename'
    | 'link'
    | 'unlink'
    | 'ack'
    | 'refused';
  readonly outcome: 'begin' | 'ok' | 'failed';
  readonly inode: number;
  /** Where a write begins; the length a truncation leaves. */
  readonly offset: number;
  readonly length: number;
  readonly path: string;
  /** The new name, of a rename or link. */
  readonly target: string;
  /** What was written, where the process was to tell. */
  readonly bytes?: Buffer;
}

const seenAt = 32;
const patternAt = seenAt + 4 * allOps.length;
const clockAt = patternAt + 256;
const orderBytes = clockAt;
const controlBytes = clockAt + 4;

export class Shim {
  /** The shim's log. A process under the shim may append lines of its own (`markLine`). */
  readonly logPath: string;
  readonly #library: string;
  readonly #root: string;
  readonly #controlPath: string;
  readonly #control: number;

  /** Builds it, for paths below `root`. */
  constructor(t: TestContext, root: string) {
    const dir = tempDir('shim');
    this.#root = root;
    this.#library = join(dir, 'shim.so');
    this.logPath = join(dir, 'log');
    this.#controlPath = join(dir, 'control');
    execFileSync('cc', ['-shared', '-fPIC', '-O2', '-o', this.#library, assetPath('test/faults/shim.c')]);
    this.#control = openSync(this.#controlPath, 'w+');
    ftruncateSync(this.#control, controlBytes);
    t.after(() => {
      closeSync(this.#control);
      rmSync(dir, { recursive: true, force: true });
    });
  }

  /** For the environment of a process; `log` whether it writes down every call, also with the bytes of writes. */
  env(options: { readonly log: boolean | 'with bytes' }): Record<string, string> {
    return {
      LD_PRELOAD: this.#library,
      SHIM_ROOT: this.#root,
      SHIM_CONTROL: this.#controlPath,
      UV_USE_IO_URING: '0', // its writes do not go through the C library
      ...(options.log === false ? {} : { SHIM_LOG: this.logPath }),
      ...(options.log === 'with bytes' ? { SHIM_BYTES: '1' } : {}),
    };
  }

  /** From now on, in all processes; replaces the order before. */
  arm({
    ops: wanted,
    path = '',
    time = 1,
    action,
    error = 'EIO',
    after = false,
    sticky = false,
  }: Order): void {
    this.disarm();
    const control = Buffer.alloc(orderBytes);
    control.writeInt32LE(time, 4);
    control.writeUInt32LE(actions[action], 8);
    control.writeUInt32LE(constants.errno[error], 12);
    control.writeUInt32LE(after ? 1 : 0, 16);
    control.writeUInt32LE(sticky ? 1 : 0, 20);
    control.write(path, patternAt, 255, 'latin1');
    writeSync(this.#control, control, 4, orderBytes - 4, 4);
    control.writeUInt32LE(
      wanted.reduce((bits, op) => bits | opBits[op], 0),
      0,
    );
    writeSync(this.#control, control, 0, 4, 0); // last: it counts from here
  }

  disarm(): void {
    writeSync(this.#control, Buffer.alloc(4), 0, 4, 0);
  }

  /** From now on the processes' time of day is so many seconds ahead of the machine's. Their timers are not moved. */
  setClock(aheadSeconds: number): void {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32LE(aheadSeconds, 0);
    writeSync(this.#control, bytes, 0, 4, clockAt);
  }

  /** How often the order was carried out. */
  get fired(): number {
    return this.#read().readUInt32LE(24);
  }

  /** How many calls there were since the last order. */
  calls(wanted: readonly Op[]): number {
    const control = this.#read();
    return wanted.reduce((sum, op) => sum + control.readUInt32LE(seenAt + 4 * allOps.indexOf(op)), 0);
  }

  #read(): Buffer {
    const control = Buffer.alloc(controlBytes);
    readSync(this.#control, control, 0, controlBytes, 0);
    return control;
  }

  /** Everything seen since the last call of `forget`. */
  events(): ShimEvent[] {
    return existsSync(this.logPath) ? [...parseEvents(readFileSync(this.logPath))] : [];
  }

  forget(): void {
    rmSync(this.logPath, { force: true });
  }
}

/** What a process under the shim appends to its log when facts are acknowledged, or refused. */
export function markLine(op: 'ack' | 'refused', what: string): string {
  return `${process.pid}\t0\t${op}\tok\t0\t0\t0\t${what}\t\n`;
}

function* parseEvents(log: Buffer): Generator<ShimEvent> {
  for (let at = 0; at < log.length;) {
    const end = log.indexOf('\n', at);
    const columns = log.toString('utf8', at, end).split('\t');
    const [pid, thread, op, outcome, inode, offset, length, path = '', target = '', follow = '0'] = columns;
    const begin = end + 1;
    at = begin + Number(follow);
    yield {
      pid: Number(pid),
      thread: Number(thread),
      op: op as ShimEvent['op'], // written by shim.c
      outcome: outcome as ShimEvent['outcome'],
      inode: Number(inode),
      offset: Number(offset),
      length: Number(length),
      path,
      target,
      ...(at > begin ? { bytes: log.subarray(begin, at) } : {}),
    };
  }
}
