/**
 * Reads what is left of a damaged log, and starts it anew. Readers and writers reject a damaged log as a whole; here
 * every segment is scanned frame by frame, and after damage the scan continues at the next frame with a valid checksum.
 * Nothing is changed before `startNewLog`.
 */
import { closeSync, existsSync, fstatSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { readAt } from '../../lib/files/read-at.js';
import { SwaError, messageOf } from '../../lib/errors/errors.js';
import { createFile, makeDirDurable } from '../../lib/files/durable.js';
import { moveAside } from '../../lib/files/removal.js';
import {
  offset,
  parsePartitionName,
  type LogId,
  type LogReader,
  type Offset,
  type PartitionName,
  type RecordBatch,
} from '../log.js';
import { partitionsOf } from '../partitioner.js';
import { namesIn } from '../stored.js';
import {
  decodeFrame,
  frameBytes,
  frameHeaderBytes,
  frameMagic,
  maxCommitBytes,
  type Frame,
} from '../arrays/frame.js';
import {
  createFormat,
  decodeSegmentHeader,
  encodeSegmentHeader,
  readFormat,
  segmentHeaderBytes,
  type SegmentHeader,
} from './layout.js';
import { WatermarkWriter, lastWatermark } from './watermark.js';

/** A contiguous range of readable offsets [from, to). */
export interface Run {
  from: number;
  to: number;
}

export interface LogState {
  /** Messages for the operator, each naming its file; empty if the log is intact. */
  readonly findings: readonly string[];
  readonly logId: LogId | undefined;
  readonly partitions: readonly PartitionName[];
  /** Readable ranges by partition, ascending. */
  readonly runs: ReadonlyMap<PartitionName, readonly Run[]>;
  /** True if the watermark says where acknowledged facts end; otherwise there may have been more than can be seen. */
  readonly isEndKnown: boolean;
  /** The known end of each partition, including records that cannot be read any more. */
  readonly ends: ReadonlyMap<PartitionName, number>;
}

export interface Expected {
  /** The expected log id and number of pageview partitions; undefined if unknown. */
  readonly logId: LogId | undefined;
  readonly pageviewPartitions: number | undefined;
}

const segmentName = /^segment-(\d{10})\.log$/;

function segmentFile(number: number): string {
  return `segment-${String(number).padStart(10, '0')}.log`;
}

/** Inspects all of a log. Changes nothing. */
export function inspectLog(dir: string, expected: Expected): LogState {
  const findings: string[] = [];
  const watermark = watermarkOf(dir, findings); // read first: a writer may be running, and everything before the watermark must exist
  const names = namesIn(dir)
    .filter((name) => segmentName.test(name))
    .toSorted();
  const headers = names.map((name) => headerOf(join(dir, name)));
  const format = formatOf(dir, findings);
  const known = headers.find((header) => header !== undefined);
  const logId = expected.logId ?? format?.logId ?? known?.logId;
  const count =
    format?.partitions ??
    expected.pageviewPartitions ??
    (known === undefined ? undefined : known.base.length - 1);
  const partitions = count === undefined ? [] : partitionsOf(count);
  if (format !== undefined && logId !== undefined && format.logId !== logId)
    findings.push(`${join(dir, 'format.json')} belongs to log ${format.logId}, not to ${logId}`);
  const scan = new Scan(partitions, findings);
  let following = 0;
  for (const [i, name] of names.entries()) {
    const path = join(dir, name);
    const header = headers[i];
    const number = Number(segmentName.exec(name)?.[1]);
    if (following !== 0 && number !== following)
      findings.push(`the segment before ${name} is missing in ${dir}`);
    following = number + 1;
    if (header === undefined || header.base.length !== partitions.length || header.number !== number) {
      findings.push(`the header of ${path} cannot be read`);
    } else if (header.logId !== logId) {
      findings.push(`${path} belongs to log ${header.logId}, not to ${logId}`);
      continue;
    } else scan.begin(path, header.base);
    scan.frames(path, partitions.length, headers[i + 1]?.previousEnd, i === names.length - 1);
  }
  if (watermark !== undefined) {
    scan.hold(join(dir, 'watermark'), watermark.next);
    const segment = segmentFile(watermark.segment);
    if (!names.includes(segment)) findings.push(`${join(dir, segment)} is missing`);
  } else if (names.length === 0) findings.push(`${dir} holds no segment`);
  return {
    findings,
    logId,
    partitions,
    runs: scan.runs,
    ends: scan.ends,
    isEndKnown: watermark !== undefined,
  };
}

function formatOf(dir: string, findings: string[]): ReturnType<typeof readFormat> | undefined {
  const path = join(dir, 'format.json');
  try {
    if (existsSync(path)) return readFormat(path);
    findings.push(`${path} is missing`);
  } catch (error) {
    findings.push(messageOf(error));
  }
  return undefined;
}

function watermarkOf(dir: string, findings: string[]): ReturnType<typeof lastWatermark> {
  const path = join(dir, 'watermark');
  try {
    return lastWatermark(path); // a damaged watermark can be recomputed from intact segments
  } catch (error) {
    findings.push(`${path} cannot be read: ${messageOf(error)}`);
    return undefined;
  }
}

function headerOf(path: string): SegmentHeader | undefined {
  try {
    const fd = openSync(path, 'r');
    try {
      const start = readAt(fd, 0, 56);
      if (start.length < 56) return undefined;
      const count = start.readUInt32LE(52);
      return count > 1_000 ? undefined : decodeSegmentHeader(readAt(fd, 0, segmentHeaderBytes(count)));
    } finally {
      closeSync(fd);
    }
  } catch {
    return undefined; // a folder, or unreadable: reported as an unreadable header
  }
}

/** Collects what the frames of all segments hold. */
class Scan {
  readonly runs = new Map<PartitionName, Run[]>();
  readonly ends = new Map<PartitionName, number>();
  readonly #partitions: readonly PartitionName[];
  readonly #findings: string[];

  constructor(partitions: readonly PartitionName[], findings: string[]) {
    this.#partitions = partitions;
    this.#findings = findings;
    for (const name of partitions) {
      this.runs.set(name, []);
      this.ends.set(name, 0);
    }
  }

  /** Starts a segment whose header names these next offsets. */
  begin(path: string, base: readonly number[]): void {
    for (const [i, name] of this.#partitions.entries()) {
      const run = this.runs.get(name);
      const end = run?.at(-1)?.to;
      const next = base[i] ?? 0;
      if (end !== undefined && next !== end)
        this.#say(`${path} starts at offset ${next} of ${name}, expected ${end}`);
      if (end === undefined || next > end) run?.push({ from: next, to: next });
      this.#reach(name, next);
    }
  }

  /** Requires offsets that were durable once. */
  hold(path: string, next: readonly number[]): void {
    for (const [i, name] of this.#partitions.entries()) {
      const end = this.runs.get(name)?.at(-1)?.to ?? 0;
      const wanted = next[i] ?? 0;
      if (wanted > end)
        this.#say(
          `${path} says that ${name} ends at offset ${wanted}, but only offsets below ${end} can be read`,
        );
      this.#reach(name, wanted);
    }
  }

  /** @param sealedTo where the frames of a sealed segment end, according to the next segment */
  frames(path: string, partitionCount: number, sealedTo: number | undefined, isLast: boolean): void {
    let end = segmentHeaderBytes(partitionCount);
    try {
      for (const { frame, position } of framesOf(path, partitionCount, sealedTo)) {
        if (position > end) this.#say(`${path} is damaged between byte ${end} and ${position}`);
        this.#add(path, frame);
        end = position + (frame.end - frame.start);
      }
    } catch (error) {
      this.#say(`${path} cannot be read: ${messageOf(error)}`);
      return;
    }
    if (!isLast && sealedTo !== undefined && end < sealedTo)
      this.#say(`${path} is damaged between byte ${end} and ${sealedTo}`);
  }

  #add(path: string, { partition, base, count }: Frame): void {
    const name = this.#partitions[partition];
    const runs = name === undefined ? undefined : this.runs.get(name);
    if (name === undefined || runs === undefined) return this.#say(`${path} names a partition ${partition}`);
    const last = runs.at(-1);
    if (last !== undefined && base === last.to) last.to += count;
    else if (last === undefined || base > last.to) {
      if (last !== undefined)
        this.#say(`${path} continues at offset ${base} of ${name}, expected ${last.to}`);
      runs.push({ from: base, to: base + count });
    } else this.#say(`${path} returns to offset ${base} of ${name}`);
    this.#reach(name, base + count);
  }

  #reach(name: PartitionName, end: number): void {
    this.ends.set(name, Math.max(this.ends.get(name) ?? 0, end));
  }

  #say(finding: string): void {
    if (this.#findings.length < 50) this.#findings.push(finding);
  }
}

interface Found {
  /** The frame, and the index in `bytes` at which it begins. */
  readonly frame: Frame & { readonly start: number };
  readonly bytes: Buffer;
  readonly position: number;
}

/** Yields the complete frames of a segment and skips damage between them. Reads the file piece by piece. */
function* framesOf(path: string, partitionCount: number, sealedTo = Infinity): Generator<Found> {
  const fd = openSync(path, 'r');
  const magic = Buffer.alloc(4);
  magic.writeUInt32LE(frameMagic);
  try {
    const end = Math.min(fstatSync(fd).size, sealedTo);
    let position = segmentHeaderBytes(partitionCount);
    while (position + frameHeaderBytes <= end) {
      const bytes = readAt(fd, position, Math.min(end - position, 2 * maxCommitBytes));
      let at = 0;
      while (at + frameHeaderBytes <= bytes.length) {
        const length = frameBytes(bytes, at);
        const isCut = length !== undefined && at + length > bytes.length && position + at + length <= end;
        if (isCut && at > 0 && length <= 2 * maxCommitBytes) break; // whole in the next piece
        const frame = length === undefined ? undefined : decodeFrame(bytes, at);
        if (frame === undefined || frame.partition >= partitionCount) {
          const next = bytes.indexOf(magic, at + 1);
          at = next < 0 ? Math.max(at + 1, bytes.length - 3) : next;
          if (next < 0) break;
          continue;
        }
        yield { frame: { ...frame, start: at }, bytes, position: position + at };
        at = frame.end;
      }
      position += Math.max(1, at);
    }
  } finally {
    closeSync(fd);
  }
}

/**
 * Reads the records [from, until) of each partition, which must lie in `runs`. Throws `log.corrupt` if one is missing.
 */
export function salvageReader(
  dir: string,
  { logId, partitions }: LogState,
  from: ReadonlyMap<PartitionName, number>,
  until: ReadonlyMap<PartitionName, number>,
): LogReader {
  const next = new Map(from);
  const found = salvage();
  function* salvage(): Generator<RecordBatch> {
    const names = namesIn(dir)
      .filter((name) => segmentName.test(name))
      .toSorted();
    const headers = names.map((name) => headerOf(join(dir, name)));
    for (const [i, name] of names.entries()) {
      if (headers[i] !== undefined && headers[i].logId !== logId) continue;
      for (const one of framesOf(join(dir, name), partitions.length, headers[i + 1]?.previousEnd)) {
        const batch = batchOf(one);
        if (batch !== undefined) yield batch;
      }
    }
  }
  function batchOf({ frame, bytes }: Found): RecordBatch | undefined {
    const name = partitions[frame.partition];
    const wanted = name === undefined ? undefined : next.get(name);
    const end = Math.min(frame.base + frame.count, (name === undefined ? undefined : until.get(name)) ?? 0);
    if (name === undefined || wanted === undefined || wanted < frame.base || wanted >= end) return undefined;
    const offsets: Offset[] = [];
    const values: Uint8Array[] = [];
    let valueAt = frame.start + frameHeaderBytes + 4 * frame.count;
    for (let i = 0; i < frame.count; i++) {
      const valueEnd = valueAt + bytes.readUInt32LE(frame.start + frameHeaderBytes + 4 * i);
      const at = frame.base + i;
      if (at >= wanted && at < end) {
        offsets.push(offset(at));
        values.push(Buffer.from(bytes.subarray(valueAt, valueEnd)));
      }
      valueAt = valueEnd;
    }
    next.set(name, end);
    return { ...parsePartitionName(name), name, offsets, values, nextOffset: offset(end) };
  }
  return {
    next: async () => {
      const batch = found.next();
      if (batch.done !== true) return [batch.value];
      throw new SwaError('log.corrupt', `the log in '${dir}' changed while it was read`);
    },
    close: async () => void found.return(undefined),
  };
}

/**
 * Moves all segments of a log aside and continues it, under its id, with an empty segment at `base`. If interrupted, it
 * leaves a log that `inspectLog` reports as damaged, or the new one.
 */
export function startNewLog(
  dir: string,
  { logId, partitions }: { readonly logId: LogId; readonly partitions: readonly PartitionName[] },
  base: ReadonlyMap<PartitionName, number>,
  asideDir: string,
): void {
  makeDirDurable(dir);
  const old = namesIn(dir)
    .filter((name) => segmentName.test(name))
    .toSorted();
  const number = Number(segmentName.exec(old.at(-1) ?? '')?.[1] ?? 0) + 1;
  const pageviewPartitions = partitions.filter(
    (name) => parsePartitionName(name).topic === 'pageviews',
  ).length;
  const formatPath = join(dir, 'format.json');
  const format = formatOf(dir, []);
  if (format?.logId !== logId || format.partitions !== pageviewPartitions) {
    moveAside(formatPath, asideDir);
    createFormat(dir, logId, pageviewPartitions);
  }
  const next = partitions.map((name) => base.get(name) ?? 0);
  createFile(
    join(dir, segmentFile(number)),
    encodeSegmentHeader({ number, logId, previousEnd: 0, base: next }),
  );
  for (const segment of old) moveAside(join(dir, segment), asideDir);
  moveAside(join(dir, 'watermark'), asideDir);
  moveAside(join(dir, 'trim-below.json'), asideDir); // it describes the old segments
  const first = { segment: number, position: segmentHeaderBytes(partitions.length), next };
  new WatermarkWriter(join(dir, 'watermark'), first).close();
}
