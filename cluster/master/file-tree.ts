/**
 * The list of files of a manifest as a tree of lists, so that a commit writes a bounded number of bytes for any number of files. Lists are split by
 * content (where the hash of an entry is small) and stored under their own hash: equal files give equal lists, whatever the order of changes, and
 * unchanged lists are not written again.
 *
 *   manifest   up to 64 entries of level n
 *   list       up to 64 entries of level n - 1: files at level 0, hashes of lists above
 */
import { z } from 'zod';
import { seal, unsealLine } from '../../lib/files/sealed.js';
import { SwaError } from '../../lib/errors/errors.js';
import { restoreHint } from '../store/store.js';

const maxEntries = 64;
/** An entry ends its list if the first byte of its hash is below this: one in 32 does. */
const endsBelow = 8;

export interface TreeFile {
  readonly sha256: string;
}

export interface Tree {
  /** 0: the entries are files. */
  readonly level: number;
  readonly entries: readonly unknown[];
}

export interface SplitTree extends Tree {
  /** Content of each list, by its hash. */
  readonly lists: ReadonlyMap<string, string>;
}

/** A list, or the root of a tree. */
export const treeSchema = z.object({ level: z.number().int().min(0).max(16), entries: z.array(z.unknown()) });
const listHash = z.string().regex(/^[0-9a-f]{64}$/);

export function splitFiles(files: readonly TreeFile[]): SplitTree {
  const lists = new Map<string, string>();
  let level = 0;
  let entries: readonly unknown[] = files;
  let hashes = files.map(({ sha256 }) => sha256);
  while (entries.length > maxEntries) {
    const next: string[] = [];
    for (let from = 0, to = 1; from < entries.length; to++) {
      const isEnd =
        to === entries.length ||
        to - from === maxEntries ||
        parseInt(hashes[to - 1]?.slice(0, 2) ?? '', 16) < endsBelow;
      if (!isEnd) continue;
      const { sha256, text } = seal({ level, entries: entries.slice(from, to) });
      lists.set(sha256, text);
      next.push(sha256);
      from = to;
    }
    level++;
    entries = next;
    hashes = next;
  }
  return { level, entries, lists };
}

/** Returns all files of a tree in their original order; reads each list once. Throws `store.corrupt` if a list does not match its hash. */
export async function joinFiles(tree: Tree, read: (sha256: string) => Promise<string>): Promise<unknown[]> {
  let { level, entries } = tree;
  for (; level > 0; level--) {
    const lower: unknown[] = [];
    for (const entry of entries) {
      const sha256 = listHash.parse(entry);
      const sealed = unsealLine(await read(sha256));
      const list = sealed?.sha256 === sha256 ? treeSchema.parse(JSON.parse(sealed.body)) : undefined;
      if (list?.level !== level - 1)
        throw new SwaError('store.corrupt', `a list of files is not what it is named for: ${sha256}`, {
          hint: restoreHint,
        });
      for (const one of list.entries) lower.push(one);
    }
    entries = lower;
  }
  return [...entries];
}
