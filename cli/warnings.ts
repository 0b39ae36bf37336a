/** The warnings of a command that feeds facts: counted by field, the first one kept to be shown. */
import type { Warning } from '../facts/door.js';

/** Fields told apart; the names of those that are not known come from outside. */
const maxFields = 20;

export class WarningCounts {
  readonly #byField = new Map<string, number>();
  #first = '';

  add({ field, message }: Warning, line?: number): void {
    if (this.#byField.size === 0) this.#first = line === undefined ? message : `line ${line}: ${message}`;
    const name = this.#byField.has(field) || this.#byField.size < maxFields ? field : 'others';
    this.#byField.set(name, (this.#byField.get(name) ?? 0) + 1);
  }

  /** One line, or '' when there were none: '3 warnings: userAgent 2, eventId 1; the first: ...'. */
  summary(): string {
    const counts = [...this.#byField].map(([field, count]) => `${field} ${count}`);
    const total = [...this.#byField.values()].reduce((sum, count) => sum + count, 0);
    return total === 0 ? '' : `${total} warnings: ${counts.join(', ')}; first: ${this.#first}\n`;
  }
}
