/**
 * What was imported: a small file for each import under `<data>/imports/`, with the part of each file that it took. By them an
 * import can be taken back, and a file that is imported again goes on where it ended.
 *
 * A file is known by the hash of its first 4 KB (of what a gzip holds, so a rotated and compressed log is the same file) and by
 * the options it was imported with. That its lines up to where it ended are the same, too, is seen as they are passed over
 * (import.ts): so two files that begin alike are never taken for one. All these hashes are keyed by the data directory's secret: an
 * address cannot be guessed from the hash of a line that holds it.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { roomOf } from '../lib/files/data-dir.js';
import { secretFor } from '../lib/files/dir-secret.js';
import { makeDirDurable, replaceFile } from '../lib/files/durable.js';
import { readIfThere } from '../lib/files/read-if-there.js';
import { validJson } from '../lib/files/valid-json.js';
import { SwaError, isFullDisk, messageOf, systemCode } from '../lib/errors/errors.js';
import { isGzip } from './file-kinds.js';
import { gunzip } from './gunzip.js';

const count = z.number().int().nonnegative();

const fileSchema = z.object({
  path: z.string(),
  /** As it was named then: what the lines were read by. */
  options: z.string(),
  head: z.object({ sizeBytes: count, hash: z.string() }),
  /** The lines taken, from 0, half-open; those before were taken by earlier imports. */
  fromLine: count,
  toLine: count,
  /** Over all lines before `toLine`. */
  linesHash: z.string(),
  /** The earlier imports that took the lines before `fromLine`. */
  after: z.array(z.string()),
});
export type ImportedFile = Readonly<z.infer<typeof fileSchema>>;

const recordSchema = z.object({
  id: z.string(),
  startedAt: z.number(),
  /** Null while it runs, and when its process was ended. */
  endedAt: z.number().nullable(),
  paths: z.array(z.string()),
  files: z.array(fileSchema),
  read: count,
  accepted: count,
  /** Set before the exclusion is sent: from then on the files are not known any more. */
  undoneAt: z.number().nullable(),
  /** The exclusion is durable. */
  isExcluded: z.boolean(),
});
export type ImportRecord = Readonly<z.infer<typeof recordSchema>>;

/** The record of an import; undefined where there is none. */
export function findImport(dataDir: string, id: string): ImportRecord | undefined {
  return listImports(dataDir).find((record) => record.id === id);
}

/** Sorts by time: '20260301T101500Z-3f2a'. */
export function newImportId(startedAt: number): string {
  const time = new Date(startedAt).toISOString().replace(/[-:]|\.\d+/g, '');
  return `${time}-${randomBytes(2).toString('hex')}`;
}

/** Durable when it returns. Throws `import.failed`, retryable when the disk is full. */
export function saveImport(dataDir: string, record: ImportRecord): void {
  const dir = roomOf(dataDir, 'imports');
  const path = join(dir, `${record.id}.json`);
  try {
    makeDirDurable(dir);
    replaceFile(path, JSON.stringify(record, null, 2));
  } catch (cause) {
    throw new SwaError('import.failed', `cannot write ${path}: ${messageOf(cause)}`, {
      cause,
      retryable: isFullDisk(cause),
    });
  }
}

/** Oldest first; damaged records and those of later versions are left out. */
export function listImports(dataDir: string): ImportRecord[] {
  return namesIn(roomOf(dataDir, 'imports'))
    .filter((name) => name.endsWith('.json'))
    .toSorted()
    .flatMap((name) => {
      const text = readIfThere(join(roomOf(dataDir, 'imports'), name));
      return (text === undefined ? undefined : validJson(recordSchema, text)) ?? [];
    })
    .toSorted((a, b) => a.startedAt - b.startedAt); // ids tell seconds only
}

function namesIn(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  }
}

const headBytes = 4_096;

/** The first bytes of a file, of a gzip those of what it holds. */
async function headOf(path: string): Promise<Buffer> {
  const file = await open(path);
  try {
    const raw = Buffer.alloc(4 * headBytes);
    const { bytesRead } = await file.read(raw, 0, raw.length, 0);
    const first = raw.subarray(0, bytesRead);
    return (isGzip(first) ? await unzippedHead(first) : first).subarray(0, headBytes);
  } finally {
    await file.close();
  }
}

/** As far as the bytes at hand go, and none of what is damaged. */
async function unzippedHead(zipped: Buffer): Promise<Buffer> {
  let head: Buffer = Buffer.alloc(0);
  try {
    for await (const chunk of gunzip(only(zipped), () => undefined)) {
      head = Buffer.concat([head, chunk]);
      if (head.length >= headBytes) break;
    }
  } catch {
    // the import will say what is wrong with the file
  }
  return head;
}

async function* only(chunk: Buffer): AsyncGenerator<Buffer> {
  yield chunk;
}

/** How far imports have come in a file. */
export interface KnownPart {
  readonly lines: number;
  readonly hash: string;
  /** The imports that took them. */
  readonly by: readonly string[];
}

/** What is known of a file before it is imported. */
export interface FileState {
  readonly head: ImportedFile['head'];
  readonly options: string;
  /** Undefined for a file that begins like no other with these options. */
  readonly known: KnownPart | undefined;
}

/** Keys the hashes of an import's record; empty in a data directory without a secret. */
export function importKey(dataDir: string): string {
  return secretFor('imports', dataDir) ?? '';
}

/** Of what the lines of a file are read by. */
export function optionsKey(format: unknown): string {
  return JSON.stringify(format);
}

/**
 * Looks a file up among earlier imports. Throws `import.known` when it was imported with other options and is not to be
 * imported again.
 *
 * @param again imports the file from its beginning, whatever is known of it
 * @param key of the hashes in the records
 */
export async function lookUp(
  records: readonly ImportRecord[],
  path: string,
  options: string,
  again: boolean,
  key: string,
): Promise<FileState> {
  const head = await headOf(path);
  const state = { head: { sizeBytes: head.length, hash: hashOf(head, key) }, options };
  if (again) return { ...state, known: undefined };
  const same = records
    .filter(({ undoneAt }) => undoneAt === null)
    .flatMap((record) => record.files.map((file) => ({ id: record.id, file })))
    .filter(({ file }) => beginsLike(head, file.head, key));
  const other = same.findLast(({ file }) => file.options !== options);
  if (other !== undefined && !same.some(({ file }) => file.options === options)) {
    throw new SwaError(
      'import.known',
      `'${path}' was imported with other options by import ${other.id}: ${other.file.options}`,
      {
        hint: `take that import back with \`swa import undo ${other.id}\`, or import the file with these as well: --again`,
      },
    );
  }
  return { ...state, known: coveredBy(same.filter(({ file }) => file.options === options)) };
}

/** How far from the first line on imports have taken a file together. */
function coveredBy(
  parts: readonly { readonly id: string; readonly file: ImportedFile }[],
): KnownPart | undefined {
  let covered: KnownPart | undefined;
  for (const { id, file } of parts.toSorted((a, b) => a.file.fromLine - b.file.fromLine)) {
    const { fromLine, toLine, linesHash } = file;
    const end = covered?.lines ?? 0;
    if (fromLine <= end && toLine > end)
      covered = { lines: toLine, hash: linesHash, by: [...(covered?.by ?? []), id] };
  }
  return covered;
}

/** The imports that went on in a file where this one ended. */
export function reliedOn(records: readonly ImportRecord[], id: string): ImportRecord[] {
  return records.filter(
    (record) =>
      record.id !== id && record.undoneAt === null && record.files.some(({ after }) => after.includes(id)),
  );
}

/** Whether a file whose first bytes are these may be one whose first bytes had this hash when there were fewer of them. */
function beginsLike(head: Buffer, { sizeBytes, hash }: ImportedFile['head'], key: string): boolean {
  return sizeBytes > 0 && sizeBytes <= head.length && hashOf(head.subarray(0, sizeBytes), key) === hash;
}

function hashOf(bytes: Uint8Array, key: string): string {
  return createHmac('sha256', key).update(bytes).digest('hex');
}
