/** Laying out one commit: the records of several appends, as one frame for each partition that has any. */
import type { Routed } from '../route.js';
import { encodeFrameHeader, frameHeaderBytes, maxCommitBytes } from './layout.js';

export interface Commit {
  /** Valid until the next call of `encode`. */
  readonly bytes: Buffer;
  /** Records by partition index. */
  readonly counts: Uint32Array;
}

export class CommitEncoder {
  readonly #partitionCount: number;
  #buffer = Buffer.allocUnsafeSlow(2 ** 20);

  constructor(partitionCount: number) {
    this.#partitionCount = partitionCount;
  }

  /** Most bytes of records, by `Routed.sizeBytes`, that one commit may hold. */
  get limitBytes(): number {
    return maxCommitBytes - this.#partitionCount * frameHeaderBytes;
  }

  /** One commit that begins at `position` of its segment; `next` are the partitions' next offsets. */
  encode(group: readonly Routed[], position: number, next: readonly number[]): Commit {
    const counts = new Uint32Array(this.#partitionCount);
    const sizes = new Uint32Array(this.#partitionCount);
    for (const { records, partitions } of group) {
      for (let i = 0; i < records.length; i++) {
        const partition = partitions[i] ?? 0;
        counts[partition] = (counts[partition] ?? 0) + 1;
        sizes[partition] = (sizes[partition] ?? 0) + (records[i]?.value.length ?? 0);
      }
    }
    const starts = new Uint32Array(this.#partitionCount);
    let end = 0;
    for (let p = 0; p < this.#partitionCount; p++) {
      starts[p] = end;
      const count = counts[p] ?? 0;
      if (count > 0) end += frameHeaderBytes + 4 * count + (sizes[p] ?? 0);
    }
    if (end > this.#buffer.length) this.#buffer = Buffer.allocUnsafeSlow(maxCommitBytes);
    this.#fill(group, starts, counts);
    for (let p = 0; p < this.#partitionCount; p++) {
      const count = counts[p] ?? 0;
      if (count === 0) continue;
      const start = starts[p] ?? 0;
      const frameEnd = start + frameHeaderBytes + 4 * count + (sizes[p] ?? 0);
      encodeFrameHeader(this.#buffer, start, {
        partition: p,
        base: next[p] ?? 0,
        count,
        commitStart: position,
        end: frameEnd,
      });
    }
    return { bytes: this.#buffer.subarray(0, end), counts };
  }

  #fill(group: readonly Routed[], starts: Uint32Array, counts: Uint32Array): void {
    const lengthAt = starts.map((start) => start + frameHeaderBytes);
    const valueAt = starts.map((start, p) => start + frameHeaderBytes + 4 * (counts[p] ?? 0));
    const buffer = this.#buffer;
    for (const { records, partitions } of group) {
      for (let i = 0; i < records.length; i++) {
        const record = records[i];
        if (record === undefined) continue;
        const partition = partitions[i] ?? 0;
        const at = lengthAt[partition] ?? 0;
        buffer.writeUInt32LE(record.value.length, at);
        lengthAt[partition] = at + 4;
        const value = valueAt[partition] ?? 0;
        buffer.set(record.value, value);
        valueAt[partition] = value + record.value.length;
      }
    }
  }
}
