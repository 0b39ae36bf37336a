/**
 * The order of writes, syncs and names, proven from the shim's log without a power cut: what would a disk be sure to hold at
 * each moment at which somebody relies on it?
 *
 *   bytes   are durable once a sync of their file that began after they were written has ended well; bytes under way when a
 *           sync failed never are (the kernel may have dropped them), unless they are truncated away
 *   names   of files and folders are durable once a sync of their folder that began after they were made has ended well
 *
 * The moments are the rows of `moments`: an acknowledgement, the watermark that lets readers go on, the names that commit
 * (a manifest, CURRENT, SERVING, the note on trimming), each removal of what something else replaces, and the end.
 */
import assert from 'node:assert/strict';
import { dirname, relative } from 'node:path';
import type { ShimEvent } from './shim.js';

/** What may be lost in a power cut, and why that costs nothing. Patterns are of paths below the data directory. */
const exempt: readonly RegExp[] = [
  /\.tmp$/, // of nobody once its writer is dead
  /^status(\/|$)/, // roles write it anew
  /^speed\/v/, // realtime stores: made again from the log after a reboot (decision 0006)
  /^master\/(pins|temp)(\/|$)/, // of processes that are gone then
  /^master\/flush\.json$/, // a wish, made again
  /^batch\/temp(\/|$)/,
  /^star(\/|$)/, // a cache, checked as it is read and made again (decision 0016)
  /^serving\/building(\/|$)/, // swept; what is renamed out of it is not there any more
  /lock\.mdb$/,
  /\.lock(\.|$)/, // of processes that are gone then
  /^rejected(\/|$)/, // of an import that did not end, and is made again
];

interface Moment {
  readonly name: string;
  readonly at: (event: ShimEvent, path: string, target: string) => boolean;
  /** Files and folders that must be durable then. */
  readonly needs: RegExp;
  /** The file that gets its name must have durable bytes. */
  readonly source?: boolean;
}

const isNaming = ({ op, outcome }: ShimEvent): boolean =>
  (op === 'rename' || op === 'link') && outcome === 'begin';
const isRemoval = ({ op, outcome }: ShimEvent): boolean =>
  (op === 'unlink' || op === 'rename') && outcome === 'begin';

/** What the workload marks when a job is in its queue. */
export const jobMark = 'a job';

const segments = /^log\/segment-\d+\.log$/;
const dataFiles = /^master\/.*\.parquet$/;
const manifests = /^master\/.*\/manifests\/\d+\.json$/;
const views = /^serving\/views\//;
const master = /^master\/(.*\.parquet|.*\/manifests\/\d+\.json|root\.json)$/;
const logFiles = /^log\/(segment-\d+\.log|format\.json)$|^format\.json$/;

const moments: readonly Moment[] = [
  {
    name: 'an acknowledgement',
    at: ({ op }) => op === 'ack',
    needs: logFiles,
  },
  {
    name: 'a job is taken on',
    at: ({ op, path }) => op === 'ack' && path === jobMark,
    needs: /^jobs\/.*data\.mdb$/,
  },
  {
    name: 'the watermark is moved',
    at: ({ op, outcome }, path) => op === 'write' && outcome === 'ok' && path === 'log/watermark',
    needs: logFiles,
  },
  {
    name: 'a manifest gets its name',
    at: (event, _path, target) => isNaming(event) && manifests.test(target),
    needs: master,
    source: true,
  },
  {
    name: 'CURRENT gets its name',
    at: (event, _path, target) => isNaming(event) && target === 'serving/CURRENT',
    needs: /^serving\/views\/|^master\/(.*\.parquet|.*\/manifests\/\d+\.json|root\.json)$/,
    source: true,
  },
  {
    name: 'SERVING gets its name',
    at: (event, _path, target) => isNaming(event) && target === 'speed/SERVING',
    needs: /^serving\/(CURRENT$|views\/|held\/)/,
    source: true,
  },
  {
    name: 'the note on trimming gets its name',
    at: (event, _path, target) => isNaming(event) && target === 'log/trim-below.json',
    needs: /^serving\/(CURRENT$|views\/)|^master\/(.*\.parquet|.*\/manifests\/\d+\.json|root\.json)$/,
    source: true,
  },
  {
    name: 'any other file gets its name',
    at: (event, path, target) =>
      isNaming(event) && !isExempt(target) && path.endsWith('.tmp') && !path.startsWith('serving/building'),
    needs: /^$/,
    source: true,
  },
  {
    name: 'a segment of the log is removed',
    at: (event, path) => isRemoval(event) && segments.test(path),
    needs:
      /^serving\/(CURRENT$|views\/)|^log\/trim-below\.json$|^master\/(.*\.parquet|.*\/manifests\/\d+\.json|root\.json)$/,
  },
  {
    name: 'a file or manifest of the master dataset is removed',
    at: (event, path) => isRemoval(event) && (dataFiles.test(path) || manifests.test(path)),
    needs: master,
  },
  {
    name: 'a batch view is removed',
    at: (event, path) => isRemoval(event) && views.test(path),
    needs: /^serving\/(CURRENT$|views\/)/,
  },
];

/** Where removals must be durable at the end, or what was replaced may come back beside it. */
const removalsKept = /^(log|serving\/views)$/;

export interface Violation {
  readonly moment: string;
  /** Number of the event, from 0; the number of events for the end. */
  readonly event: number;
  readonly what: string;
}

export interface OrderReport {
  readonly violations: readonly Violation[];
  /** How often each moment came: a run in which one never came proves nothing of it. */
  readonly moments: ReadonlyMap<string, number>;
}

export const momentNames: readonly string[] = [...moments.map(({ name }) => name), 'the end'];

/** @param isEnd whether the processes closed what they had open: else nothing is said about the end */
export function checkOrder(events: readonly ShimEvent[], root: string, isEnd: boolean): OrderReport {
  const disk = new Disk(root);
  const counts = new Map<string, number>(moments.map(({ name }) => [name, 0]));
  const violations = new Map<string, Violation>();
  const report = (moment: string, event: number, found: Iterable<string>): void => {
    for (const what of found) {
      const key = `${moment}: ${what}`;
      if (!violations.has(key)) violations.set(key, { moment, event, what });
    }
  };
  for (const [number, event] of events.entries()) {
    const [path, target] = [disk.short(event.path), disk.short(event.target)];
    for (const { name, at, needs, source = false } of moments) {
      if (!at(event, path, target)) continue;
      counts.set(name, (counts.get(name) ?? 0) + 1);
      if (source && !disk.hasDurableBytes(event.inode))
        report(name, number, [`the bytes of ${target} are not`]);
      const others = (file: string): boolean => needs.test(file) && file !== path;
      report(name, number, disk.missing(others));
      if (event.op === 'ack') report(name, number, disk.unopenedWatermark());
      if (target === 'serving/CURRENT') report(name, number, disk.unplacedViews());
    }
    disk.take(event);
  }
  if (isEnd) {
    counts.set('the end', 1);
    report(
      'the end',
      events.length,
      disk.missing((file) => !isExempt(file)),
    );
    report('the end', events.length, disk.removals());
  }
  return { violations: [...violations.values()], moments: counts };
}

/** Fails with every violation. */
export function assertInOrder({ violations }: OrderReport): void {
  const lines = violations.map(({ moment, event, what }) => `${moment} (event ${event}): ${what} durable`);
  assert.deepEqual(lines, []);
}

function isExempt(path: string): boolean {
  return exempt.some((pattern) => pattern.test(path));
}

interface Write {
  readonly from: number;
  readonly to: number;
}

class Inode {
  /** Not yet covered by a sync. */
  readonly dirty = new Set<Write>();
  /** Under way when a sync failed. */
  readonly lost = new Set<Write>();
  /** Processes that have written it, and those of them that have synced it since. */
  readonly writers = new Set<number>();
  readonly syncers = new Set<number>();
  spoiled = false;
}

/** What is known of the files: their bytes by inode, their names by path below the root. */
class Disk {
  readonly #root: string;
  readonly #inodes = new Map<number, Inode>();
  readonly #files = new Map<string, number>();
  readonly #pendingNames = new Set<string>();
  readonly #pendingRemovals = new Set<string>();
  /** By process and thread: what a sync that has begun will have covered. */
  readonly #syncs = new Map<
    string,
    { writes: readonly Write[]; names: readonly string[]; removals: readonly string[] }
  >();

  constructor(root: string) {
    this.#root = root;
  }

  short(path: string): string {
    return path.startsWith('/') ? relative(this.#root, path) : path;
  }

  take(event: ShimEvent): void {
    const path = this.short(event.path);
    const target = this.short(event.target);
    switch (event.op) {
      case 'create':
      case 'mkdir':
        this.#inodes.delete(event.inode); // the number may be of a file that is gone
        return this.#name(path, event.inode);
      case 'write':
        return this.#write(event);
      case 'truncate':
        if (event.outcome === 'ok') this.#truncate(event);
        return;
      case 'sync':
        return event.outcome === 'begin' ? this.#beginSync(event, path) : this.#endSync(event);
      case 'link':
        if (event.outcome === 'ok') this.#name(target, event.inode);
        return;
      case 'rename':
        if (event.outcome === 'ok') this.#move(path, target);
        return;
      case 'unlink':
        if (event.outcome === 'ok') this.#remove(path);
        return;
      case 'refused':
        for (const file of this.#files.keys()) if (segments.test(file)) this.#forgive(file);
        return;
      default:
    }
  }

  hasDurableBytes(inode: number): boolean {
    const known = this.#inodes.get(inode);
    return known === undefined || (known.dirty.size === 0 && known.lost.size === 0);
  }

  /** What is not durable of those that are asked for; the folders they lie in are asked for as well. */
  *missing(isNeeded: (path: string) => boolean): Generator<string> {
    const folders = new Set<string>();
    for (const [path, inode] of this.#files) {
      if (!isNeeded(path)) continue;
      if (path !== 'log/watermark' && !this.hasDurableBytes(inode)) yield `the bytes of ${path} are not`;
      for (let name = path; name !== '.' && !folders.has(name); name = dirname(name)) {
        folders.add(name);
        if (this.#pendingNames.has(name)) yield `the name ${name} is not`;
      }
    }
  }

  /** The watermark is written in place and not synced as it moves on; but where it stood when its writer opened it is. */
  *unopenedWatermark(): Generator<string> {
    const inode = this.#inodes.get(this.#files.get('log/watermark') ?? -1);
    for (const pid of inode?.writers ?? []) {
      if (inode?.syncers.has(pid) !== true) yield 'the watermark that its writer began with is not';
    }
  }

  /** A finished view that is not where CURRENT will look for it. */
  *unplacedViews(): Generator<string> {
    for (const path of this.#files.keys())
      if (/^serving\/building\/(view|genesis)-[^/]*\/META[^/]*$/.test(path))
        yield `${path} in its place is not`;
  }

  *removals(): Generator<string> {
    for (const path of this.#pendingRemovals) {
      if (removalsKept.test(dirname(path)) && !isExempt(path)) yield `the removal of ${path} is not`;
    }
    const watermark = this.#files.get('log/watermark');
    if (watermark !== undefined && !this.hasDurableBytes(watermark))
      yield 'the bytes of log/watermark are not';
  }

  #inode(number: number): Inode {
    const known = this.#inodes.get(number) ?? new Inode();
    this.#inodes.set(number, known);
    return known;
  }

  #write({ inode, offset, length, pid }: ShimEvent): void {
    const known = this.#inode(inode);
    known.dirty.add({ from: offset, to: offset + length });
    known.writers.add(pid);
  }

  /** Takes away what lies beyond; that it is away must be synced, but for a file whose sync failed: nobody reads its end. */
  #truncate({ inode, offset }: ShimEvent): void {
    const known = this.#inode(inode);
    for (const writes of [known.dirty, known.lost])
      for (const write of writes) if (write.from >= offset) writes.delete(write);
    if (!known.spoiled) known.dirty.add({ from: offset, to: offset });
  }

  #beginSync({ pid, thread, inode }: ShimEvent, path: string): void {
    const inFolder = (name: string): boolean => (dirname(name) === '.' ? '' : dirname(name)) === path;
    this.#syncs.set(`${pid} ${thread}`, {
      writes: [...(this.#inodes.get(inode)?.dirty ?? [])],
      names: [...this.#pendingNames].filter(inFolder),
      removals: [...this.#pendingRemovals].filter(inFolder),
    });
  }

  #endSync({ pid, thread, inode, outcome }: ShimEvent): void {
    const begun = this.#syncs.get(`${pid} ${thread}`);
    if (begun === undefined) return;
    this.#syncs.delete(`${pid} ${thread}`);
    const known = this.#inode(inode);
    for (const write of begun.writes) {
      if (known.dirty.delete(write) && outcome === 'failed') known.lost.add(write);
    }
    if (outcome === 'failed') {
      known.spoiled = true;
      return;
    }
    known.syncers.add(pid);
    for (const name of begun.names) this.#pendingNames.delete(name);
    for (const name of begun.removals) this.#pendingRemovals.delete(name);
  }

  #name(path: string, inode: number): void {
    this.#files.set(path, inode);
    this.#pendingNames.add(path);
    this.#pendingRemovals.delete(path);
  }

  #move(from: string, to: string): void {
    const moved = (path: string): string => `${to}${path.slice(from.length)}`;
    const isMoved = (path: string): boolean => path === from || path.startsWith(`${from}/`);
    for (const [path, inode] of [...this.#files].filter(([each]) => isMoved(each))) {
      this.#files.delete(path);
      this.#files.set(moved(path), inode);
    }
    for (const path of [...this.#pendingNames].filter(isMoved)) {
      this.#pendingNames.delete(path);
      this.#pendingNames.add(moved(path));
    }
    this.#pendingNames.add(to);
    this.#pendingRemovals.add(from);
  }

  #remove(path: string): void {
    this.#files.delete(path);
    this.#pendingNames.delete(path);
    this.#pendingRemovals.add(path);
  }

  #forgive(path: string): void {
    const inode = this.#inodes.get(this.#files.get(path) ?? -1);
    inode?.dirty.clear();
    inode?.lost.clear();
  }
}
