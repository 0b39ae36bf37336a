/** Encodes one commit: the records of several appends, with one frame for each partition that has any. */
import { encodeFrameHeader, frameHeaderBytes, maxCommitBytes } from './frame.js';

/** The records of one append and the partition index of each. */
export interface WritePiece {
  readonly records: readonly { readonly value: Uint8Array }[];
  readonly partitions: Uint16Array;
}

export interface Commit {
  /** Valid until the next call of `encode`. */
  readonly bytes: Buffer;
  /** Number of records by partition index. */
  readonly counts: Uint32Array;
}

export class CommitEncoder {
  readonly #partitionCount: number;
  #buffer = Buffer.allocUnsafeSlow(2 ** 20);

  constructor(partitionCount: number) {
    this.#partitionCount = partitionCount;
  }

  /** Maximum size of the records in one commit, as the sum of `WritePiece.sizeBytes`. */
  get limitBytes(): number {
    return maxCommitBytes - this.#partitionCount * frameHeaderBytes;
  }

  /** Encodes a commit that begins at byte `position` of its segment. `next` holds the partitions' next offsets. */
  encode(group: readonly WritePiece[], position: number, next: readonly number[]): Commit {
    const counts = new Uint32Array(this.#partitionCount);
    const sizes = new Uint32Array(this.#partitionCount);
    for (const { records, partitions } of group) {
      for (let i = 0; i < records.length; i++) {
        counts[partitions[i]]++;
        sizes[partitions[i]] += records[i].value.length;
      }
    }
    const starts = new Uint32Array(this.#partitionCount);
    let end = 0;
    for (let p = 0; p < this.#partitionCount; p++) {
      starts[p] = end;
      const count = counts[p];
      if (count > 0) end += frameHeaderBytes + 4 * count + sizes[p];
    }
    if (end > this.#buffer.length) this.#buffer = Buffer.allocUnsafeSlow(maxCommitBytes);
    this.#fill(group, starts, counts);
    for (let p = 0; p < this.#partitionCount; p++) {
      const count = counts[p];
      if (count === 0) continue;
      const start = starts[p];
      const frameEnd = start + frameHeaderBytes + 4 * count + sizes[p];
      encodeFrameHeader(this.#buffer, start, {
        partition: p,
        base: next[p],
        count,
        commitStart: position,
        end: frameEnd,
      });
    }
    return { bytes: this.#buffer.subarray(0, end), counts };
  }

  #fill(group: readonly WritePiece[], starts: Uint32Array, counts: Uint32Array): void {
    const lengthAt = starts.map((start) => start + frameHeaderBytes);
    const valueAt = starts.map((start, p) => start + frameHeaderBytes + 4 * counts[p]);
    const buffer = this.#buffer;
    for (const { records, partitions } of group) {
      for (let i = 0; i < records.length; i++) {
        const { value } = records[i];
        const partition = partitions[i];
        buffer.writeUInt32LE(value.length, lengthAt[partition]);
        lengthAt[partition] += 4;
        buffer.set(value, valueAt[partition]);
        valueAt[partition] += value.length;
      }
    }
  }
}
