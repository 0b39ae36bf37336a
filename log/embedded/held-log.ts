/**
 * Holds the files of an embedded log open, up to the watermark of one moment, so that a log in use can be copied.
 * Writers only append behind the watermark, and an open file stays readable after it is trimmed.
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
  /** Length of the part that belongs to the log; the file may be longer. */
  readonly sizeBytes: number;
}

export interface HeldLog {
  readonly segments: readonly HeldSegment[];
  readonly watermark: Watermark;
  /** The first offsets in the segments, and the offsets at which they end. */
  readonly begin: Cut;
  readonly end: Cut;
  close(): void;
}

/**
 * Opens the files. Every record acknowledged before the call is below `end`. The log must have been opened since the
 * machine started. Throws `log.corrupt`, and `log.unavailable` (retryable) if segments are trimmed faster than they can
 * be opened.
 */
export function holdLog(dir: string): HeldLog {
  const { logId, partitions: count } = readFormat(join(dir, 'format.json'));
  const partitions = partitionsOf(count);
  for (let attempt = 0; attempt < 100; attempt++) {
    const watermark = lastWatermark(join(dir, 'watermark')); // undefined while it is being written
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

/** Returns undefined if a segment is trimmed before it is opened. */
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
