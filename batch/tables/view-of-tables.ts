/**
 * The view builder: from the tables that an engine computed (contract.ts) to the files of a view, the same that a run by our own
 * threads writes. DuckDB brings rows in order, spilling what does not fit; memory does not grow with cells, but with the ids
 * of persons of two or more.
 */
import { HllError, HllSketch } from 'hyperloglog-ts';
import { SwaError } from '../../lib/errors/errors.js';
import type { ExclusionRule } from '../../facts/fact.js';
import { widthOf } from '../../lib/time/buckets.js';
import { PackedTexts } from '../../lib/memory/packed-texts.js';
import { sqlText } from '../../master-data/duckdb.js';
import { BlockBuilder } from '../../serving/arrays/block-builder.js';
import { ByteWriter } from '../../serving/arrays/bytes.js';
import { encodeVisits } from '../../serving/arrays/visits.js';
import type { WrittenBlock } from '../../serving/arrays/written-block.js';
import type { VisitCell } from '../../facts/views/view.js';
import { CellFile } from '../../serving/cell-file.js';
import type { FileSeal } from '../../serving/checked-file.js';
import { kindOf, type Kind } from '../../serving/layout.js';
import type { StoredMeta } from '../../serving/meta.js';
import { ViewWriter, type MetaBase } from '../../serving/view-writer.js';
import { writeIdentity } from '../../serving/identity.js';
import { bytesIn, wholeNumbers, type TablesDb } from './tables-db.js';

export interface ViewOfTablesOptions {
  readonly db: TablesDb;
  /** Must not exist. */
  readonly viewDir: string;
  readonly dimensions: readonly string[];
  readonly exclusions: readonly ExclusionRule[];
  readonly meta: Omit<MetaBase, 'counts'>;
  readonly counted: { readonly pageviews: number; readonly persons: number };
  /** Hears of rows of `cells`; what it throws ends the work. */
  readonly onRows: (rows: number) => void;
}

interface Subject {
  readonly domain: string;
  /** UTF-8. */
  readonly subject: Uint8Array;
}

/** Throws `batch.failed` for tables that are not what the contract says. */
export async function writeView(options: ViewOfTablesOptions): Promise<StoredMeta> {
  const { db, viewDir, dimensions, exclusions, meta, counted, onRows } = options;
  const writer = new ViewWriter(viewDir, dimensions);
  const seals = new Map<Kind, FileSeal>();
  const subjects = new Map<Kind, number>();
  /** Writes the blocks of a kind, in the order of their keys. */
  const write = async (
    kind: Kind,
    name: string,
    order: string,
    onBlock: (subject: Subject, block: WrittenBlock) => void,
  ): Promise<void> => {
    const file = new CellFile(writer.cellsPath(kind));
    try {
      let count = 0;
      for await (const [subject, block] of blocksOf(db, name, order, meta, file, onRows)) {
        onBlock(subject, block);
        count++;
      }
      seals.set(kind, await file.close());
      subjects.set(kind, count);
    } finally {
      file.abandon();
    }
  };
  try {
    await write('pages', 'page', 'subject, bucket', ({ subject }, block) => writer.page(subject, block));
    await write('domains', 'domain', 'domain, bucket', ({ domain }, block) => writer.domain(domain, block));
    for (const name of dimensions)
      await write(kindOf(name), name, 'domain, subject, bucket', ({ domain, subject }, block) =>
        writer.value(name, domain, subject, block),
      );
    await writeVisits(db, writer);
    await writeListing(db, writer);
    writer.exclusions(exclusions);
    const { ids, ends } = await readPersons(db);
    const identity = await writeIdentity(writer.identityPath, ids, personsIn(ends), () => onRows(0));
    const counts = {
      pageviews: counted.pageviews,
      pages: subjects.get('pages') ?? 0,
      domains: subjects.get('domains') ?? 0,
      values: Object.fromEntries(dimensions.map((name) => [name, subjects.get(kindOf(name)) ?? 0])),
      persons: counted.persons,
      mappedIds: ids.count - ends.length,
    };
    return await writer.finish({ ...meta, counts }, { identity, cells: seals });
  } finally {
    writer.abandon();
  }
}

/** The blocks of all subjects of a kind, written one after the other. */
async function* blocksOf(
  db: TablesDb,
  kind: string,
  order: string,
  { lgK, bucketMinutes }: Pick<MetaBase, 'lgK' | 'bucketMinutes'>,
  file: CellFile,
  onRows: (rows: number) => void,
): AsyncGenerator<[Subject, WrittenBlock]> {
  const builder = new BlockBuilder(lgK, widthOf(bucketMinutes));
  let current: Subject | undefined;
  let domainBytes: Uint8Array = new Uint8Array(0);
  let last = 0;
  const rows = db.stream(
    `select encode(domain), encode(subject), bucket, pageviews, sketch from cells where kind = ${sqlText(kind)} order by ${order}`,
  );
  for await (const chunk of rows) {
    const [buckets, pageviews] = [wholeNumbers(chunk, 2), wholeNumbers(chunk, 3)];
    for (let row = 0; row < chunk.rowCount; row++) {
      const [domain, subject] = [bytesIn(chunk, 0, row), bytesIn(chunk, 1, row)];
      const bucket = buckets[row] ?? 0;
      const isNext =
        current === undefined || !isEqual(subject, current.subject) || !isEqual(domain, domainBytes);
      if (isNext) {
        if (current !== undefined) yield [current, file.append(builder.finish())];
        domainBytes = domain.slice();
        current = { domain: Buffer.from(domain).toString('utf8'), subject: subject.slice() };
      } else if (bucket <= last) {
        throw notAsAgreed(`cells of ${kind} ${textOf(subject)} hold the bucket ${bucket} twice`);
      }
      last = bucket;
      addCell(builder, { bucket, pageviews: pageviews[row] ?? 0, lgK }, bytesIn(chunk, 4, row));
    }
    onRows(chunk.rowCount);
  }
  if (current !== undefined) yield [current, file.append(builder.finish())];
}

function addCell(
  builder: BlockBuilder,
  { bucket, pageviews, lgK }: { readonly bucket: number; readonly pageviews: number; readonly lgK: number },
  bytes: Uint8Array,
): void {
  const sketch = sketchOf(bytes);
  const coupons = sketch.coupons();
  if (sketch.lgK !== lgK) throw notAsAgreed(`a sketch has lgK ${sketch.lgK}, the job ${lgK}`);
  if (coupons !== undefined) builder.bucket(bucket, pageviews, coupons, 0, coupons.length);
  else builder.registersBucket(bucket, pageviews, sketch.registers() ?? new Uint8Array(0));
}

function sketchOf(bytes: Uint8Array): HllSketch {
  try {
    return HllSketch.fromBytes(bytes);
  } catch (error) {
    if (error instanceof HllError) throw notAsAgreed(`a sketch cannot be read: ${error.message}`, error);
    throw error;
  }
}

async function writeVisits(db: TablesDb, writer: ViewWriter): Promise<void> {
  const out = new ByteWriter();
  let domain: Uint8Array | undefined;
  let cells: VisitCell[] = [];
  const end = (): void => {
    if (domain === undefined) return;
    out.clear();
    encodeVisits(out, cells);
    writer.visits(textOf(domain), out.view());
  };
  const rows = db.stream(
    'select encode(domain), bucket, visits, bounces, pageviews, duration_ms from visits order by domain, bucket',
  );
  for await (const chunk of rows) {
    const columns = [1, 2, 3, 4, 5].map((index) => wholeNumbers(chunk, index));
    for (let row = 0; row < chunk.rowCount; row++) {
      const own = bytesIn(chunk, 0, row);
      if (domain === undefined || !isEqual(own, domain)) {
        end();
        domain = own.slice();
        cells = [];
      }
      const [bucket = 0, visits = 0, bounces = 0, pageviews = 0, durationMs = 0] = columns.map(
        (column) => column[row],
      );
      cells.push({ bucket, visits, bounces, pageviews, durationMs });
    }
  }
  end();
}

async function writeListing(db: TablesDb, writer: ViewWriter): Promise<void> {
  const rows = db.stream(
    `select encode(domain), encode(subject), sum(pageviews)::bigint from cells where kind = 'page'
     group by domain, subject order by domain, subject`,
  );
  for await (const chunk of rows) {
    const pageviews = wholeNumbers(chunk, 2);
    for (let row = 0; row < chunk.rowCount; row++)
      writer.listPage(textOf(bytesIn(chunk, 0, row)), bytesIn(chunk, 1, row).slice(), pageviews[row] ?? 0);
  }
}

/** The ids of all persons in order, and where each person ends. */
async function readPersons(db: TablesDb): Promise<{ readonly ids: PackedTexts; readonly ends: number[] }> {
  const ids = new PackedTexts();
  const ends: number[] = [];
  let person: Uint8Array | undefined;
  const rows = db.stream('select encode(person), encode(visitor) from persons order by person, visitor');
  for await (const chunk of rows) {
    for (let row = 0; row < chunk.rowCount; row++) {
      const [own, visitor] = [bytesIn(chunk, 0, row), bytesIn(chunk, 1, row)];
      if (person === undefined || !isEqual(own, person)) {
        if (person !== undefined) ends.push(ids.count);
        if (!isEqual(own, visitor)) throw notAsAgreed(`the least id of ${textOf(own)} is ${textOf(visitor)}`);
        person = own.slice();
      }
      ids.addBytes(visitor, 0, visitor.length);
    }
  }
  if (person !== undefined) ends.push(ids.count);
  return { ids, ends };
}

function* personsIn(ends: readonly number[]): Generator<Iterable<number>> {
  let from = 0;
  for (const to of ends) {
    const start = from;
    yield Array.from({ length: to - start }, (_, i) => start + i);
    from = to;
  }
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

function notAsAgreed(what: string, cause?: unknown): SwaError {
  return new SwaError('batch.failed', `the tables of the engine are not what they must be: ${what}`, {
    cause,
    hint: 'the published view is unchanged; keep the log of the run and report it',
  });
}
