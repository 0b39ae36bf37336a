/**
 * The files of an embedded log held open as they are at one moment, for a copy of a log that may be in use: everything up to the
 * watermark. A writer only appends behind it, and a file that is trimmed away meanwhile can still be read by who has it open.
 */
import { closeSync, openSync } from 'node:fs';
import { basename, join } from 'node:path';
import { SwaError, systemCode } from '../../lib/errors/errors.js';
import type { Cut } from '../log.js';
import { partitionsOf } from '../partitioner.js';
import { offsetsByName } from './embedded-log.js';
import { readFormat } from './layout.js';
import { Segments } from './segments.js';
import { lastWatermark, type Watermark } from './watermark.js';

export interface HeldSegment {
  readonly name: string;
  readonly fd: number;
  /** What belongs to the log; the file may be longer. */
  readonly sizeBytes: number;
}

export interface HeldLog {
  readonly segments: readonly HeldSegment[];
  readonly watermark: Watermark;
  /** The first offsets that the segments hold, and where they end. */
  readonly begin: Cut;
  readonly end: Cut;
  close(): void;
}

/**
 * Every record that was acknowledged before the call is below `end`. The log must have been opened since the machine started.
 * Throws `log.corrupt`, and `log.unavailable` when it is trimmed faster than it can be opened.
 */
export function holdLog(dir: string): HeldLog {
  const { logId, partitions: count } = readFormat(join(dir, 'format.json'));
  const partitions = partitionsOf(count);
  for (let attempt = 0; attempt < 100; attempt++) {
    const watermark = lastWatermark(join(dir, 'watermark')); // undefined in the middle of a write
    if (watermark === undefined) continue;
    const segments = new Segments(dir, logId, partitions.length);
    const held = openUpTo(segments, watermark);
    if (held === undefined) continue; // trimmed meanwhile
    const close = (): void => {
      for (const { fd } of held.files) closeSync(fd);
    };
    return {
      segments: held.files,
      watermark,
      begin: { logId, next: offsetsByName({ partitions }, held.base) },
      end: { logId, next: offsetsByName({ partitions }, watermark.next) },
      close,
    };
  }
  throw new SwaError(
    'log.unavailable',
    `segments in '${dir}' were deleted repeatedly while they were being opened`,
    {
      retryable: true,
      hint: 'run the command again',
    },
  );
}

/** Undefined when a segment is gone before it is open. */
function openUpTo(
  segments: Segments,
  watermark: Watermark,
): { readonly files: HeldSegment[]; readonly base: readonly number[] } | undefined {
  const numbers = segments.numbers().filter((number) => number <= watermark.segment);
  const files: HeldSegment[] = [];
  let isWhole = false;
  try {
    for (const number of numbers) {
      const path = segments.path(number);
      const fd = openSync(path, 'r');
      const isLast = number === watermark.segment;
      files.push({ name: basename(path), fd, sizeBytes: isLast ? watermark.position : 0 });
    }
    const bases = numbers.map((number) => segments.header(number)?.base);
    const ends = numbers.map((number) =>
      number === watermark.segment ? watermark.position : segments.header(number + 1)?.previousEnd,
    );
    const [base] = bases;
    if (base === undefined || numbers.at(-1) !== watermark.segment) return undefined;
    const sized = files.map((file, i) => ({ ...file, sizeBytes: ends[i] ?? 0 }));
    isWhole = true;
    return { files: sized, base };
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  } finally {
    if (!isWhole) for (const { fd } of files) closeSync(fd);
  }
}
