/** Uses each function of lib/files that makes something durable, for a process under the shim. Prints `failed` where it throws. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { systemCode } from '../../lib/errors/errors.js';
import {
  createFile,
  fsyncDir,
  fsyncFile,
  fsyncLargeFile,
  makeDirDurable,
  replaceFile,
} from '../../lib/files/durable.js';
import { moveDurably, removeReplaced } from '../../lib/files/removal.js';

const [root = '', wanted = ''] = process.argv.slice(2);
const at = (...names: string[]): string => join(root, 'log', ...names);
/**
 * In another folder, so that a sync of one does not count for the other; the removals in both folders must be durable.
 */
const large = join(root, 'serving', 'views', 'large');

const uses: Readonly<Record<string, () => void | Promise<void>>> = {
  folder: () => makeDirDurable(at('a', 'b')),
  create: () => {
    if (!createFile(at('a', 'created'), 'one')) throw new Error('it is there already');
  },
  absent: () => {
    if (createFile(at('a', 'created'), 'two')) throw new Error('it was replaced');
  },
  replace: () => replaceFile(at('a', 'b', 'replaced'), 'three'),
  written: () => {
    makeDirDurable(dirname(large));
    for (const path of [at('small'), large]) {
      writeFileSync(path, basename(path));
      fsyncDir(dirname(path));
    }
  },
  small: () => fsyncFile(at('small')),
  large: () => fsyncLargeFile(large),
  move: () => {
    mkdirSync(at('c'));
    fsyncDir(at());
    moveDurably(at('small'), at('c', 'moved'));
  },
  remove: () => removeReplaced([large], () => undefined),
};

try {
  for (const [name, use] of Object.entries(uses))
    if (wanted === '' || wanted.split(' ').includes(name)) await use();
} catch (error) {
  if (systemCode(error) !== 'EIO') throw error;
  process.stdout.write('failed ');
}
const text = (path: string): string => (existsSync(path) ? readFileSync(path, 'utf8') : '-');
const paths = [at('a', 'created'), at('a', 'b', 'replaced'), at('small'), large, at('c', 'moved')];
process.stdout.write(paths.map(text).join(' '));
