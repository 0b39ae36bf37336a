/** Text that `swa import` prints at its end. */
import type { ImportCounts } from '../ingest/import-state.js';
import { whyWaiting } from '../ingest/import.js';
import type { LineReader } from '../ingest/line-format.js';
import type { Fact } from '../facts/fact.js';

/** `read = accepted + repeated + filtered + rejected`, and the reasons of each. */
export function summaryOf(counts: ImportCounts): string {
  const { read, accepted, repeated, filtered, rejected, unconfirmed, bots } = counts;
  const rest = unconfirmed === 0 ? '' : ` + unconfirmed ${unconfirmed}`;
  const lines = [
    `read ${read} = accepted ${accepted} + repeated ${repeated} + filtered ${filtered} + rejected ${rejected}${rest}`,
    reasons('filtered', counts.filteredBy),
    reasons('rejected', counts.rejectedBy),
    bots === 0
      ? ''
      : `  of the accepted, ${bots} are known bots' and do not count (SWA_BOTS=include counts them)`,
    bots === accepted || accepted === 0 ? '' : `  ${accepted - bots} count`,
  ];
  return `${lines.filter((line) => line !== '').join('\n')}\n`;
}

/** Reasons with their counts, most frequent first. */
function reasons(what: string, by: Readonly<Record<string, number>>): string {
  const all = Object.entries(by).toSorted(([, a], [, b]) => b - a);
  return all.length === 0
    ? ''
    : `  ${what}: ${all.map(([reason, count]) => `${reason} ${count}`).join(', ')}`;
}

/** Notes on what the line counts leave out, one per line. */
export function notesOf(counts: ImportCounts): string {
  const waiting = whyWaiting(counts);
  return [
    counts.known > 0 ? `passed over ${counts.known} lines that earlier imports have taken\n` : '',
    counts.nulBytes > 0 ? `skipped ${counts.nulBytes} NUL bytes\n` : '',
    counts.garbageBytes > 0
      ? `ignored ${counts.garbageBytes} bytes after the end of the gzip data: they are not gzip. If lines are missing, the file is damaged\n`
      : '',
    waiting === undefined ? '' : `${waiting}\n`,
  ].join('');
}

export function aboutOf({ about }: Pick<LineReader, 'about'>): string {
  return Object.entries(about)
    .map(([name, value]) => `${name}: ${value}`)
    .join(', ');
}

const shownFacts = 10;

/** Fact sink of a dry run: keeps the first ten facts and the range of times. */
export class DryRun {
  readonly facts: Fact[] = [];
  #firstMs = Infinity;
  #lastMs = -Infinity;

  append(facts: readonly Fact[]): Promise<void> {
    for (const fact of facts) {
      if (this.facts.length < shownFacts) this.facts.push(fact);
      this.#firstMs = Math.min(this.#firstMs, fact.timestamp);
      this.#lastMs = Math.max(this.#lastMs, fact.timestamp);
    }
    return Promise.resolve();
  }

  /** First and last time as RFC 3339; undefined without facts. */
  get times(): { readonly first: string; readonly last: string } | undefined {
    if (this.facts.length === 0) return undefined;
    return { first: new Date(this.#firstMs).toISOString(), last: new Date(this.#lastMs).toISOString() };
  }

  text(): string {
    const { times } = this;
    const examples = this.facts.map((fact) => {
      const { receivedAt: _receivedAt, timestamp, ...rest } = fact;
      return `${JSON.stringify({ ...rest, timestamp: new Date(timestamp).toISOString() })}\n`;
    });
    const span = times === undefined ? '' : `times from ${times.first} to ${times.last}\n`;
    return `${span}${examples.join('')}nothing was imported (--dry-run)\n`;
  }
}
