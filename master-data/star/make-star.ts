/**
 * Updates the star to a snapshot: numbers the facts of new master files, applies the rules to new texts (or changed
 * rules to all texts), and searches for repeats again if the set of files has changed. Each step ends with a new head;
 * after a crash the next run continues from the last one.
 *
 * Memory: 40 to 80 bytes for each text of the dictionaries while files are added. It does not depend on the number of
 * facts, because the search for repeats works in several scans if needed.
 */
import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { DuckDBConnection } from '@duckdb/node-api';
import { CouponHasher } from 'hyperloglog-ts';
import { assetText } from '../../lib/files/assets.js';
import { cutToHosts } from '../../facts/dimensions/referrer.js';
import { tagsOf } from '../../facts/dimensions/tags.js';
import { isPlaceholderId, mayEndPlaceholder } from '../../facts/placeholders.js';
import type { Rules } from '../../facts/rules.js';
import { sameRules } from '../../facts/rules-versions.js';
import { KeyedHash } from '../../lib/memory/keyed-hash.js';
import { spansOf, textsOf } from '../../lib/memory/text-spans.js';
import { booleans, integers } from '../columns.js';
import { openDuckDb, sqlText } from '../duckdb.js';
import { verifySnapshotFiles, type Snapshot, type SnapshotFile } from '../snapshot.js';
import { SqlFunctions } from '../sql-functions.js';
import { AppendFile, nothing } from './append-file.js';
import { Dictionary, type OnNewText } from './dictionary.js';
import { writeFacts } from './facts-file.js';
import { readHead, repeatsName, writeHead, type Head } from './head.js';
import { readGroup } from './read-facts.js';
import { RepeatFinder, PossibleRepeats } from '../arrays/repeat-finder.js';
import { RuleResults } from './rule-results.js';

export interface StarOptions {
  /** The star's own folder; created if missing. */
  readonly dir: string;
  readonly snapshot: Pick<Snapshot, 'files'>;
  readonly rules: Rules;
  readonly tempDir: string;
  readonly memoryLimit: string;
  readonly threads: number;
  /** Number of event hashes per scan; each takes 7 bytes of memory. */
  readonly hashesPerScan: number;
  /** Called with the number of rows of each file added. */
  readonly onRows: (rows: number) => void;
  readonly signal: AbortSignal | undefined;
}

/**
 * Throws `master.corrupt` if a master file to be added is damaged, and `StarDamaged`: then remove the star and rebuild
 * it.
 */
export async function makeStar(options: StarOptions): Promise<MadeStar> {
  const { dir, snapshot, rules } = options;
  let head = readHead(dir, rules);
  const had = new Set(head.files.map(({ of }) => of));
  const missing = snapshot.files.filter(({ sha256 }) => !had.has(sha256));
  if (missing.length > 0 || !sameRules(head.results.versions, rules.versions))
    head = await addFiles(options, head, missing);
  const of = listHash(pageviewsOf(snapshot));
  let masterBytesRead = sizeOf(missing);
  if (head.repeats.of !== of) {
    head = await findRepeats(options, head, of);
    if (head.repeats.sizeBytes > 0) masterBytesRead += sizeOf(pageviewsOf(snapshot));
  }
  return { head, masterBytesRead };
}

export interface MadeStar {
  readonly head: Head;
  /** Bytes of the master dataset's files that were read. */
  readonly masterBytesRead: number;
}

function sizeOf(files: readonly SnapshotFile[]): number {
  return files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

function pageviewsOf({ files }: Pick<Snapshot, 'files'>): readonly SnapshotFile[] {
  return files.filter(({ topic }) => topic === 'pageviews');
}

function listHash(files: readonly SnapshotFile[]): string {
  return createHash('sha256')
    .update(files.map(({ sha256 }) => sha256).join())
    .digest('hex');
}

async function addFiles(options: StarOptions, head: Head, missing: readonly SnapshotFile[]): Promise<Head> {
  const { dir, rules, snapshot, signal } = options;
  await verifySnapshotFiles({ files: missing }, signal === undefined ? {} : { signal });
  const hash = new KeyedHash();
  const coupons = new AppendFile(join(dir, 'coupons'), head.coupons);
  const results = new RuleResults(dir, head, rules, hash);
  const hasher = new CouponHasher();
  const dictionary = (name: keyof Head['texts'], onNew: OnNewText): Dictionary =>
    new Dictionary(hash, join(dir, name), head.texts[name], onNew);
  const texts = {
    urls: dictionary('urls', (bytes, from, to) => results.addUrl(textOf(bytes, from, to))),
    visitors: dictionary('visitors', (bytes, from, to) =>
      coupons.u32(isPlaceholder(bytes, from, to) ? 0 : hasher.coupon(bytes.subarray(from, to))),
    ),
    agents: dictionary('agents', (bytes, from, to) => results.addAgent(textOf(bytes, from, to))),
    referrers: dictionary('referrers', (bytes, from, to) =>
      results.addText('referrer', textOf(bytes, from, to)),
    ),
    tags: dictionary('tags', (bytes, from, to) => results.addText('tags', textOf(bytes, from, to))),
    countries: dictionary('countries', (bytes, from, to) =>
      results.addText('country', textOf(bytes, from, to)),
    ),
    imports: dictionary('imports', () => undefined),
    events: dictionary('events', () => undefined),
    exclusions: dictionary('exclusions', () => undefined),
  };
  const files = new Map(head.files.map((file) => [file.of, file]));
  try {
    if (missing.length > 0) {
      await withDuckDb(options, missing, async (connection, functions) => {
        for (const name of ['visitors', 'agents', 'countries', 'imports', 'events', 'exclusions'] as const)
          functions.numbers(`swa_${name}`, (column, numbers) => texts[name].read(column, numbers));
        // Texts are cut to the parts that the rules read, so that irrelevant variants do not fill the dictionaries.
        functions.numbers('swa_referrers', (column, numbers) => {
          cutToHosts(column);
          texts.referrers.read(column, numbers);
        });
        functions.numbers('swa_tags', (column, numbers) =>
          texts.tags.read(spansOf(Array.from(textsOf(column), tagsOf)), numbers),
        );
        functions.numbers('swa_urls', (column, numbers) => {
          rules.url.cutToParts(column);
          texts.urls.read(column, numbers);
        });
        functions.numbers('swa_ends', (column, numbers) => {
          texts.visitors.read(column, numbers);
          const { bytes, starts, ends } = column;
          for (let i = 0; i < column.count; i++)
            if (!mayBeJoined(bytes, starts[i] ?? 0, ends[i] ?? 0)) numbers[i] = 0;
        });
        for (const file of missing) {
          signal?.throwIfAborted();
          const name = `${file.sha256}.facts`;
          const written = await functions.during(async () => writeFacts(connection, file, join(dir, name)));
          files.set(file.sha256, { of: file.sha256, name, rows: file.rows, ...written });
          options.onRows(file.rows);
        }
      });
    }
    const next: Head = {
      ...head,
      texts: {
        urls: texts.urls.commit(),
        visitors: texts.visitors.commit(),
        agents: texts.agents.commit(),
        referrers: texts.referrers.commit(),
        tags: texts.tags.commit(),
        countries: texts.countries.commit(),
        imports: texts.imports.commit(),
        events: texts.events.commit(),
        exclusions: texts.exclusions.commit(),
      },
      coupons: coupons.commit(),
      results: results.commit(),
      files: snapshot.files.flatMap(({ sha256 }) => files.get(sha256) ?? []),
    };
    writeHead(dir, next);
    return next;
  } finally {
    for (const part of [...Object.values(texts), coupons, results]) part.close();
  }
}

/**
 * Finds event ids that occur more than once, and writes the groups of pageviews that may be repeats (sql/repeats.sql).
 */
async function findRepeats(options: StarOptions, head: Head, of: string): Promise<Head> {
  const { dir, snapshot } = options;
  const files = pageviewsOf(snapshot);
  const possibleRepeats = possibleRepeatsIn(options, head, files);
  const found = new AppendFile(join(dir, repeatsName(of)), nothing);
  try {
    if (!possibleRepeats.isEmpty) {
      await verifySnapshotFiles({ files });
      await withDuckDb(options, files, async (connection, functions) => {
        functions.flags('swa_possible_repeat', (hashes, flags) => possibleRepeats.flag(hashes, flags));
        const facts = files.map(
          ({ partition, path }, file) =>
            `select ${partition} as partition, ${file} as file, file_row_number as row, event_id, visitor
             from read_parquet(${sqlText(path)}, hive_partitioning = false, file_row_number = true) where url is not null`,
        );
        const sql = assetText('master-data/star/sql/repeats.sql').replace(
          '{facts}',
          facts.join(' union all '),
        );
        const rows = await functions.during(async () => connection.stream(sql));
        for (;;) {
          const chunk = await functions.during(async () => rows.fetchChunk());
          if (chunk === null || chunk.rowCount === 0) break;
          const [file, row, begins] = [
            integers(chunk, 0),
            integers(chunk, 1),
            booleans(chunk.getColumnVector(2)),
          ];
          for (let i = 0; i < chunk.rowCount; i++) {
            found.u32(2 * (file[i] ?? 0) + (begins[i] ?? 0));
            found.u32(row[i] ?? 0);
          }
        }
      });
    }
    const next = { ...head, repeats: { ...found.commit(), of } };
    writeHead(dir, next);
    return next;
  } finally {
    found.close();
  }
}

function possibleRepeatsIn(
  options: StarOptions,
  head: Head,
  files: readonly SnapshotFile[],
): PossibleRepeats {
  const rows = files.reduce((sum, file) => sum + file.rows, 0);
  const scans = Math.max(1, Math.ceil(rows / options.hashesPerScan));
  const possibleRepeats = new PossibleRepeats();
  const entries = new Map(head.files.map((file) => [file.of, file]));
  for (let scan = 0; scan < scans; scan++) {
    const finder = new RepeatFinder(Math.ceil(rows / scans));
    for (const { sha256 } of files) {
      const { name = '', groups = [] } = entries.get(sha256) ?? {};
      for (const group of groups) {
        options.signal?.throwIfAborted();
        const { event } = readGroup(join(options.dir, name), 'pageviews', group, ['event']);
        finder.addShare(event, scans, scan);
      }
    }
    finder.finish(possibleRepeats);
  }
  return possibleRepeats;
}

async function withDuckDb(
  { dir, tempDir, memoryLimit, threads }: StarOptions,
  files: readonly SnapshotFile[],
  work: (connection: DuckDBConnection, functions: SqlFunctions) => Promise<void>,
): Promise<void> {
  mkdirSync(tempDir, { recursive: true });
  const database = await openDuckDb({
    allowedDirectories: [...new Set(files.map((file) => dirname(file.path))), dir, tempDir],
    tempDirectory: tempDir,
    memoryLimit,
    threads: threads + 1, // one thread always waits for our functions
  });
  try {
    await work(database.connection, new SqlFunctions(database.connection));
  } finally {
    database.close();
  }
}

function textOf(bytes: Uint8Array, from: number, to: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8', from, to);
}

function isPlaceholder(bytes: Uint8Array, from: number, to: number): boolean {
  const at = (back: number): number => (to - back < from ? Number.NaN : (bytes[to - back] ?? 0));
  return mayEndPlaceholder(at(3), at(2), at(1)) && isPlaceholderId(textOf(bytes, from, to));
}

/**
 * Returns false for placeholders and ids with control characters, because packed ids are separated by one
 * (PackedTexts).
 */
function mayBeJoined(bytes: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if ((bytes[at] ?? 0) < 0x20) return false;
  return !isPlaceholder(bytes, from, to);
}
