/**
 * Several test files in one process: most of them take less time than what they import takes to load. A group is a file that
 * imports those of one room one after the other, so their tests run in that order, and each reports the file it stands in.
 */
import { writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { projectRoot } from '../lib/files/assets.js';
import { tempDir } from './temp-dir.js';

/** So few that one slow file in it does not keep a core busy when all else is done. */
const filesInGroup = 6;

/** Folders whose tests are of plain functions: nothing of them outlives a test, or is started by it. */
const shared = ['dist/test', 'dist/facts/test', 'dist/ways-in/logs/test', 'hyperloglog-ts/dist/test'];

/** The files to run instead, in the order of the first file of each. */
export function grouped(files: readonly string[]): string[] {
  const dir = tempDir('test-groups');
  const groups: string[][] = [];
  const open = new Map<string, string[]>();
  for (const file of files) {
    const room = dirname(file);
    if (!shared.includes(relative(projectRoot, room))) {
      groups.push([file]);
      continue;
    }
    const last = open.get(room);
    if (last !== undefined && last.length < filesInGroup) {
      last.push(file);
      continue;
    }
    const group = [file];
    groups.push(group);
    open.set(room, group);
  }
  return groups.map((group, number) => {
    const [first = ''] = group;
    if (group.length === 1) return first;
    const path = join(dir, `${number}.test.mjs`);
    writeFileSync(
      path,
      group.map((file) => `import ${JSON.stringify(pathToFileURL(file).href)};\n`).join(''),
    );
    return path;
  });
}
