/**
 * Counts the stand-ins delivered to readers, each once regardless of the number of readers, and keeps the newest
 * warnings.
 */
import { z } from 'zod';
import type { PartitionName } from '../log.js';
import { isStandIn } from '../stand-in.js';
import { validJson } from '../../lib/files/valid-json.js';
import type { KafkaBatch } from './client.js';

const keptWarnings = 5;
const detailSchema = z.object({ detail: z.string() });

export class SetAside {
  records = 0;
  /** Offsets below this have been counted, by partition. */
  readonly #seen = new Map<PartitionName, number>();
  readonly #warnings: string[] = [];

  /** The newest warnings. */
  warnings(): readonly string[] {
    return this.#warnings;
  }

  look(name: PartitionName, { offsets, values, nextOffset }: KafkaBatch): void {
    const seen = this.#seen.get(name) ?? 0;
    if (nextOffset <= seen) return;
    values.forEach((value, i) => {
      const at = offsets[i] ?? 0;
      if (at >= seen && isStandIn(value)) this.#note(name, at, value);
    });
    this.#seen.set(name, nextOffset);
  }

  #note(name: PartitionName, at: number, value: Uint8Array): void {
    this.records++;
    const detail = validJson(detailSchema, Buffer.from(value).toString())?.detail;
    if (detail === undefined) return; // the first stand-in of the batch carries the detail
    this.#warnings.push(
      `${name}, offset ${at}: ${detail}. It was set aside and is stored as an "unreadable" row`,
    );
    if (this.#warnings.length > keptWarnings) this.#warnings.shift();
  }
}
