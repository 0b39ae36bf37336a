/**
 * A disk after a power cut, made from the shim's log. Sure are only the bytes of a file that a sync of it covers, and the
 * names in a folder that a sync of that folder covers; a sync covers what was done before it began. Of the rest, each write
 * is there, or not, or some blocks of it; each change of names was done or undone, whatever came before it.
 *
 * A rename within a folder or across is one change (all journalling file systems do so), sure once either of its folders is.
 */
import { linkSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Random } from './load.js';
import type { ShimEvent } from './shim.js';

/** How what is not sure fares. */
export type Fate = 'undone' | 'done' | 'any';

/** Of a disk: what is written of a block is written whole. */
const blockBytes = 512;

class File {
  /** Sure. */
  bytes: Buffer;
  /** After these, in order. */
  pending: Change[] = [];

  constructor(bytes: Buffer = Buffer.alloc(0)) {
    this.bytes = bytes;
  }
}

type Change = { readonly at: number; readonly bytes: Buffer } | { readonly truncateTo: number };

class Folder {
  /** Sure. */
  names: Map<string, Node>;

  constructor(names = new Map<string, Node>()) {
    this.names = names;
  }
}

type Node = File | Folder;

/** A change of names: `node` gets the name `to` and loses the name `from`, as far as there is one. */
interface Naming {
  readonly node: Node;
  readonly from?: DirectoryEntry;
  readonly to?: DirectoryEntry;
}

interface DirectoryEntry {
  readonly folder: Folder;
  readonly name: string;
}

interface Sync {
  readonly file: File | undefined;
  readonly changes: ReadonlySet<Change>;
  readonly namings: ReadonlySet<Naming>;
}

export class CrashedDisk {
  readonly #path: string;
  /** As processes see it. */
  readonly #live = new Map<Folder, Map<string, Node>>();
  #root = new Folder();
  #pending: Naming[] = [];
  /** By inode. */
  readonly #files = new Map<number, File>();
  readonly #syncs = new Map<string, Sync>();

  /** @param path of a folder that is empty, and sure */
  constructor(path: string) {
    this.#path = path;
    this.#live.set(this.#root, new Map());
  }

  take(events: Iterable<ShimEvent>): void {
    for (const event of events) this.#take(event);
  }

  /** Puts one of the states that a cut may leave into `into`, an empty folder. */
  writeTo(into: string, random: Random, fate: Fate): void {
    build(this.#afterCut(random, fate), into);
  }

  /** The same in the place of what is there; from then on that is the disk, and all of it is sure. */
  cut(random: Random, fate: Fate): void {
    const root = this.#afterCut(random, fate);
    for (const name of readdirSync(this.#path)) rmSync(join(this.#path, name), { recursive: true });
    build(root, this.#path);
    this.#root = root;
    this.#pending = [];
    this.#syncs.clear();
    this.#live.clear();
    this.#files.clear();
    this.#see(root, this.#path);
  }

  /** How many changes are not sure. */
  get unsure(): number {
    const files = new Set(this.#files.values());
    return [...files].reduce((sum, { pending }) => sum + pending.length, this.#pending.length);
  }

  #take(event: ShimEvent): void {
    const { op, outcome, inode } = event;
    if (op === 'sync') return outcome === 'begin' ? this.#beginSync(event) : this.#endSync(event);
    if (outcome !== 'ok') return;
    const from = this.#placeOf(event.path);
    const known = from === undefined ? undefined : this.#namesIn(from.folder).get(from.name);
    switch (op) {
      case 'create': {
        if (known instanceof File && this.#files.get(inode) === known) return; // two made it at once
        const file = new File();
        this.#files.set(inode, file);
        return this.#name({ node: file, ...(from === undefined ? {} : { to: from }) });
      }
      case 'mkdir':
        return this.#name({ node: new Folder(), ...(from === undefined ? {} : { to: from }) });
      case 'write':
      case 'write-sync':
        return this.#write(event);
      case 'truncate':
        this.#files.get(inode)?.pending.push({ truncateTo: event.offset });
        return;
      case 'link':
      case 'rename': {
        const to = this.#placeOf(event.target);
        if (known === undefined || from === undefined || to === undefined) throw unseen(event);
        return this.#name(op === 'link' ? { node: known, to } : { node: known, from, to });
      }
      case 'unlink':
        if (known !== undefined && from !== undefined) this.#name({ node: known, from });
        return;
      default:
    }
  }

  #write(event: ShimEvent): void {
    const file = this.#files.get(event.inode);
    if (file === undefined || event.bytes === undefined) throw unseen(event);
    const change = { at: event.offset, bytes: event.bytes };
    file.pending.push(change);
    if (event.op === 'write-sync') settle(file, new Set([change]));
  }

  #name(naming: Naming): void {
    if (naming.from === undefined && naming.to === undefined) return; // the root itself
    perform(naming, (folder) => this.#namesIn(folder));
    this.#pending.push(naming);
  }

  #beginSync({ pid, thread, inode, path }: ShimEvent): void {
    const folder = this.#nodeAt(path);
    const file = this.#files.get(inode);
    const isIn = ({ from, to }: Naming): boolean => from?.folder === folder || to?.folder === folder;
    this.#syncs.set(`${pid} ${thread}`, {
      file: folder instanceof Folder ? undefined : file,
      changes: new Set(file?.pending),
      namings: new Set(folder instanceof Folder ? this.#pending.filter(isIn) : []),
    });
  }

  #endSync({ pid, thread, outcome }: ShimEvent): void {
    const sync = this.#syncs.get(`${pid} ${thread}`);
    this.#syncs.delete(`${pid} ${thread}`);
    if (sync === undefined || outcome !== 'ok') return;
    if (sync.file !== undefined) settle(sync.file, sync.changes);
    for (const naming of this.#pending.filter((each) => sync.namings.has(each)))
      perform(naming, ({ names }) => names);
    this.#pending = this.#pending.filter((naming) => !sync.namings.has(naming));
  }

  #namesIn(folder: Folder): Map<string, Node> {
    const names = this.#live.get(folder) ?? new Map<string, Node>();
    this.#live.set(folder, names);
    return names;
  }

  #nodeAt(path: string): Node | undefined {
    let node: Node | undefined = this.#root;
    for (const name of path.slice(this.#path.length).split('/').filter(Boolean))
      node = node instanceof Folder ? this.#namesIn(node).get(name) : undefined;
    return node;
  }

  /** Undefined for the root, and what lies outside of it. */
  #placeOf(path: string): DirectoryEntry | undefined {
    const end = path.lastIndexOf('/');
    const folder = path.startsWith(`${this.#path}/`) ? this.#nodeAt(path.slice(0, end)) : undefined;
    return folder instanceof Folder ? { folder, name: path.slice(end + 1) } : undefined;
  }

  /** What is there after the cut, nothing of it shared with what is here. */
  #afterCut(random: Random, fate: Fate): Folder {
    const isDone = (): boolean => fate === 'done' || (fate === 'any' && random(2) === 0);
    const names = new Map<Folder, Map<string, Node>>();
    const after = (folder: Folder): Map<string, Node> => {
      const known = names.get(folder) ?? new Map(folder.names);
      names.set(folder, known);
      return known;
    };
    for (const naming of this.#pending) if (isDone()) perform(naming, after);
    const copies = new Map<Node, Node>();
    const copy = (node: Node): Node => {
      const known = copies.get(node);
      if (known !== undefined) return known;
      const made = node instanceof File ? new File(bytesAfter(node, random, fate)) : new Folder();
      copies.set(node, made);
      if (made instanceof Folder && node instanceof Folder)
        for (const [name, child] of after(node)) made.names.set(name, copy(child));
      return made;
    };
    const root = copy(this.#root);
    if (!(root instanceof Folder)) throw new Error('the root is a folder');
    return root;
  }

  #see(folder: Folder, path: string): void {
    this.#live.set(folder, new Map(folder.names));
    for (const [name, node] of folder.names) {
      const at = join(path, name);
      if (node instanceof Folder) this.#see(node, at);
      else this.#files.set(statSync(at).ino, node);
    }
  }
}

function perform({ node, from, to }: Naming, namesIn: (folder: Folder) => Map<string, Node>): void {
  if (from !== undefined && namesIn(from.folder).get(from.name) === node)
    namesIn(from.folder).delete(from.name);
  if (to !== undefined) namesIn(to.folder).set(to.name, node);
}

/** Makes changes sure. */
function settle(file: File, changes: ReadonlySet<Change>): void {
  file.bytes = applied(
    file.bytes,
    file.pending.filter((change) => changes.has(change)),
  );
  file.pending = file.pending.filter((change) => !changes.has(change));
}

function applied(bytes: Buffer, changes: readonly Change[]): Buffer {
  let size = bytes.length;
  let most = size;
  for (const change of changes) {
    size = 'truncateTo' in change ? change.truncateTo : Math.max(size, change.at + change.bytes.length);
    most = Math.max(most, size);
  }
  const result = Buffer.alloc(most);
  bytes.copy(result);
  size = bytes.length;
  for (const change of changes) {
    if ('truncateTo' in change) {
      result.fill(0, change.truncateTo);
      size = change.truncateTo;
    } else {
      change.bytes.copy(result, change.at);
      size = Math.max(size, change.at + change.bytes.length);
    }
  }
  return result.subarray(0, size);
}

function bytesAfter({ bytes, pending }: File, random: Random, fate: Fate): Buffer {
  if (fate === 'undone') return bytes;
  if (fate === 'done') return applied(bytes, pending);
  return applied(
    bytes,
    pending.flatMap((change) => {
      const chance = random(3);
      if (chance === 0) return [];
      return chance === 1 || 'truncateTo' in change ? [change] : blocksOf(change.at, change.bytes, random);
    }),
  );
}

/** Some of the blocks of a write. */
function blocksOf(at: number, bytes: Buffer, random: Random): Change[] {
  const blocks: Change[] = [];
  for (let from = at; from < at + bytes.length;) {
    const to = Math.min(at + bytes.length, (Math.floor(from / blockBytes) + 1) * blockBytes);
    if (random(2) === 0) blocks.push({ at: from, bytes: bytes.subarray(from - at, to - at) });
    from = to;
  }
  return blocks;
}

function build(root: Folder, into: string): void {
  const written = new Map<File, string>();
  const put = (folder: Folder, path: string): void => {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    for (const [name, node] of folder.names) {
      const at = join(path, name);
      const known = node instanceof File ? written.get(node) : undefined;
      if (node instanceof Folder) put(node, at);
      else if (known !== undefined) linkSync(known, at);
      else {
        writeFileSync(at, node.bytes, { mode: 0o600 });
        written.set(node, at);
      }
    }
  };
  put(root, into);
}

function unseen({ op, path, target }: ShimEvent): Error {
  return new Error(`the log of calls does not have what ${op} of ${path} ${target} is about`);
}
