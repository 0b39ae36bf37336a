/** Warnings of a command that adds facts: counts them by field and keeps the first one as an example. */
import type { Warning } from '../facts/door.js';

/** Maximum number of fields counted by name: names of unknown fields come from the input. */
const maxFields = 20;

export class WarningCounts {
  readonly #byField = new Map<string, number>();
  #first = '';

  add({ field, message }: Warning, line?: number): void {
    if (this.#byField.size === 0) this.#first = line === undefined ? message : `line ${line}: ${message}`;
    const name = this.#byField.has(field) || this.#byField.size < maxFields ? field : 'others';
    this.#byField.set(name, (this.#byField.get(name) ?? 0) + 1);
  }

  /** One line, or '' if there were none: '3 warnings: userAgent 2, eventId 1; first: ...'. */
  summary(): string {
    const counts = [...this.#byField].map(([field, count]) => `${field} ${count}`);
    const total = [...this.#byField.values()].reduce((sum, count) => sum + count, 0);
    return total === 0 ? '' : `${total} warnings: ${counts.join(', ')}; first: ${this.#first}\n`;
  }
}
