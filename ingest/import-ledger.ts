/**
 * The records of imports: one small file per import in `<data>/imports/`, with the lines that it took from each file. They allow
 * taking an import back, and importing only the new lines of a file that was imported before.
 *
 * A file is identified by the hash of its first 4 KB (decompressed, so a rotated and compressed log is the same file) and by
 * the options it was imported with. The import itself checks that all known lines are the same (import.ts), so two files with the
 * same beginning are never confused. All hashes are keyed with the data directory's secret, so that an address cannot be guessed
 * from the hash of a line that contains it.
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
  /** Format and options that the lines were read with, as `optionsKey` returns them. */
  options: z.string(),
  head: z.object({ sizeBytes: count, hash: z.string() }),
  /** The lines taken: half-open range, counted from 0. Earlier imports took the lines before. */
  fromLine: count,
  toLine: count,
  /** Hash over all lines before `toLine`. */
  linesHash: z.string(),
  /** The earlier imports that took the lines before `fromLine`. */
  after: z.array(z.string()),
});
export type ImportedFile = Readonly<z.infer<typeof fileSchema>>;

const recordSchema = z.object({
  id: z.string(),
  startedAt: z.number(),
  /** UTC ms. Null while the import runs, or if it was interrupted. */
  endedAt: z.number().nullable(),
  paths: z.array(z.string()),
  files: z.array(fileSchema),
  read: count,
  accepted: count,
  /** UTC ms. Set before the exclusion is sent; from then on the record is ignored when files are looked up. */
  undoneAt: z.number().nullable(),
  /** Whether the exclusion that takes the import back is durable. */
  isExcluded: z.boolean(),
});
export type ImportRecord = Readonly<z.infer<typeof recordSchema>>;

/** The record of an import; undefined if there is none. */
export function findImport(dataDir: string, id: string): ImportRecord | undefined {
  return listImports(dataDir).find((record) => record.id === id);
}

/** A new id, such as '20260301T101500Z-3f2a'. Ids sort by time. */
export function newImportId(startedAt: number): string {
  const time = new Date(startedAt).toISOString().replace(/[-:]|\.\d+/g, '');
  return `${time}-${randomBytes(2).toString('hex')}`;
}

/** Writes a record, durable on return. Throws `import.failed`, retryable if the disk is full. */
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

/** All records, oldest first, except damaged ones and those of later versions. */
export function listImports(dataDir: string): ImportRecord[] {
  return namesIn(roomOf(dataDir, 'imports'))
    .filter((name) => name.endsWith('.json'))
    .toSorted()
    .flatMap((name) => {
      const text = readIfThere(join(roomOf(dataDir, 'imports'), name));
      return (text === undefined ? undefined : validJson(recordSchema, text)) ?? [];
    })
    .toSorted((a, b) => a.startedAt - b.startedAt); // ids hold the time in seconds only
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

/** The first 4 KB of a file, decompressed if it is gzip. */
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

/** Decompresses up to 4 KB from the first bytes of a gzip file; ignores errors. */
async function unzippedHead(zipped: Buffer): Promise<Buffer> {
  let head: Buffer = Buffer.alloc(0);
  try {
    for await (const chunk of gunzip(only(zipped), () => undefined)) {
      head = Buffer.concat([head, chunk]);
      if (head.length >= headBytes) break;
    }
  } catch {
    // the import will report what is wrong with the file
  }
  return head;
}

async function* only(chunk: Buffer): AsyncGenerator<Buffer> {
  yield chunk;
}

/** The lines at the beginning of a file that earlier imports took. */
export interface KnownPart {
  readonly lines: number;
  /** Hash over these lines. */
  readonly hash: string;
  /** Ids of the imports that took them. */
  readonly by: readonly string[];
}

/** What the records know about a file before it is imported. */
export interface FileState {
  readonly head: ImportedFile['head'];
  readonly options: string;
  /** Undefined if no import with these options took a file with the same beginning. */
  readonly known: KnownPart | undefined;
}

/** The key of the hashes in records; empty in a data directory without a secret. */
export function importKey(dataDir: string): string {
  return secretFor('imports', dataDir) ?? '';
}

/** Serializes the format and options that the lines of a file are read with. */
export function optionsKey(format: unknown): string {
  return JSON.stringify(format);
}

/**
 * Looks a file up in the records of earlier imports. Throws `import.known` if it was imported with other options only, unless
 * `again` is set.
 *
 * @param again ignore earlier imports of the file
 * @param key key of the hashes in the records
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

/** The lines from the first on that these imports took together, without a gap. */
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

/** The imports that continued in a file where this one ended. */
export function continuedBy(records: readonly ImportRecord[], id: string): ImportRecord[] {
  return records.filter(
    (record) =>
      record.id !== id && record.undoneAt === null && record.files.some(({ after }) => after.includes(id)),
  );
}

/** Whether a recorded head is a prefix of `head`, so that this may be the same file, grown. */
function beginsLike(head: Buffer, { sizeBytes, hash }: ImportedFile['head'], key: string): boolean {
  return sizeBytes > 0 && sizeBytes <= head.length && hashOf(head.subarray(0, sizeBytes), key) === hash;
}

function hashOf(bytes: Uint8Array, key: string): string {
  return createHmac('sha256', key).update(bytes).digest('hex');
}
