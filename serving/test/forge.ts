/** Changes the content of views and seals them again, as a bug of ours would: the files match their hashes, but not the facts. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CheckedFile, CheckedWriter, type FileSeal } from '../checked-file.js';
import { fileNames } from '../layout.js';
import { formatMeta, readMeta, type StoredMeta } from '../meta.js';
import { SortedFile, SortedFileWriter } from '../sorted-file.js';

/** Changes the data of a cell file. */
export async function forgeCells(dir: string, name: string, change: (data: Buffer) => void): Promise<void> {
  await replace(dir, name, async (path, seal) => {
    const { sizeBytes } = new CheckedFile(path, seal);
    const data = readFileSync(path).subarray(0, sizeBytes);
    change(data);
    const writer = new CheckedWriter(`${path}.forged`);
    writer.write(data);
    return writer.close();
  });
}

/** Rewrites a sorted file without the entries that `keeps` rejects. */
export async function forgeTables<Name extends string>(
  dir: string,
  name: typeof fileNames.index | typeof fileNames.identity,
  tables: readonly Name[],
  keeps: (table: Name, key: Buffer) => boolean,
): Promise<void> {
  await replace(dir, name, async (path, seal) => {
    const file = new SortedFile(path, seal, tables);
    const writer = new SortedFileWriter(`${path}.forged`, tables);
    for (const table of tables) {
      for (const key of file.keys(table)) {
        const value = file.get(table, key);
        if (value !== undefined && keeps(table, key)) writer.add(table, key, value);
      }
    }
    file.close();
    return (await writer.close()).seal;
  });
}

/** Changes META, sealed as in its format: before format 6, not at all. */
export function forgeMeta(dir: string, change: (meta: StoredMeta) => StoredMeta): void {
  const meta = change(readMeta(dir));
  writeFileSync(
    join(dir, fileNames.meta),
    meta.format < 6 ? JSON.stringify(meta, null, 2) : formatMeta(meta),
  );
}

async function replace(
  dir: string,
  name: string,
  forge: (path: string, seal: FileSeal) => Promise<FileSeal>,
): Promise<void> {
  const path = join(dir, name);
  const seal = readMeta(dir).files.find((file) => file.name === name);
  if (seal === undefined) throw new Error(`META of ${dir} does not list ${name}`);
  const forged = await forge(path, seal);
  renameSync(`${path}.forged`, path);
  forgeMeta(dir, (meta) => ({
    ...meta,
    files: meta.files.map((file) => (file.name === name ? { ...forged, name } : file)),
  }));
}
