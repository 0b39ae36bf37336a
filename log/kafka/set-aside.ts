/** Counts the stand-ins that readers are handed, each once however many readers there are, and keeps what they say. */
import { z } from 'zod';
import type { PartitionName } from '../log.js';
import { isStandIn } from '../stand-in.js';
import { validJson } from '../../lib/files/valid-json.js';
import type { KafkaBatch } from './client.js';

const keptWarnings = 5;
const detailSchema = z.object({ detail: z.string() });

export class SetAside {
  records = 0;
  /** Everything below has been looked at. */
  readonly #seen = new Map<PartitionName, number>();
  readonly #warnings: string[] = [];

  /** The newest ones. */
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
    if (detail === undefined) return; // the first of its batch has said it
    this.#warnings.push(
      `${name}, offset ${at}: ${detail}. It was set aside and is stored as an "unreadable" row`,
    );
    if (this.#warnings.length > keptWarnings) this.#warnings.shift();
  }
}
