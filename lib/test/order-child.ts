/** Uses each function of lib/files that makes something durable, for a process under the shim. Prints `failed` where it throws. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
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
    for (const name of ['small', 'large']) writeFileSync(at(name), name);
    fsyncDir(at());
  },
  small: () => fsyncFile(at('small')),
  large: () => fsyncLargeFile(at('large')),
  move: () => {
    mkdirSync(at('c'));
    fsyncDir(at());
    moveDurably(at('small'), at('c', 'moved'));
  },
  remove: () => removeReplaced([at('large')], () => undefined),
};

try {
  for (const [name, use] of Object.entries(uses))
    if (wanted === '' || wanted.split(' ').includes(name)) await use();
} catch (error) {
  if (systemCode(error) !== 'EIO') throw error;
  process.stdout.write('failed ');
}
const text = (...names: string[]): string =>
  existsSync(at(...names)) ? readFileSync(at(...names), 'utf8') : '-';
process.stdout.write(
  `${text('a', 'created')} ${text('a', 'b', 'replaced')} ${text('small')} ${text('large')} ${text('c', 'moved')}`,
);
