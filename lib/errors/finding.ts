/** What an audit of the data directory has to say: each finding is one line for people, and two fields for programs. */
import { setTimeout as sleep } from 'node:timers/promises';
import { SwaError, messageOf, systemCode } from './errors.js';

export interface Finding {
  /** What is wrong, naming the file. */
  readonly finding: string;
  /** What to do about it. */
  readonly wayOn: string;
}

/** A first look may meet a file that is just being replaced, or parts of two states: what is wrong is so for longer. */
const betweenLooksMs = 300;

export class Findings {
  static readonly max = 100;
  /** At most `Findings.max`. */
  readonly findings: Finding[] = [];
  /** What a killed process leaves behind and the next start clears away: nothing is wrong. At most `Findings.max`. */
  readonly leftovers: Finding[] = [];

  add(finding: string, wayOn: string): void {
    if (this.findings.length < Findings.max) this.findings.push({ finding, wayOn });
  }

  leftover(finding: string, wayOn: string): void {
    if (this.leftovers.length < Findings.max) this.leftovers.push({ finding, wayOn });
  }

  /** Undefined, and a finding about `path`, when it throws; what is gone by then is not a finding. */
  attempt<T>(path: string, wayOn: string, look: () => T): T | undefined {
    try {
      return look();
    } catch (error) {
      this.thrown(path, wayOn, error);
      return undefined;
    }
  }

  /** A finding about `path` made of what was thrown, unless that says that the file is gone by now. */
  thrown(path: string, wayOn: string, error: unknown): void {
    if (systemCode(error) === 'ENOENT') return;
    const message = messageOf(error);
    this.add(
      message.includes(path) ? message : `${path} cannot be read: ${message}`,
      (error instanceof SwaError ? error.hint : undefined) ?? wayOn,
    );
  }
}

/**
 * What two looks in a row have found, so that a running system raises no false alarm: a second look is taken only where the first one
 * has a finding.
 */
export async function confirmed<T extends { readonly findings: readonly Finding[] }>(
  look: () => Promise<T>,
): Promise<{ readonly findings: readonly Finding[]; readonly last: T }> {
  const first = await look();
  if (first.findings.length === 0) return { findings: [], last: first };
  await sleep(betweenLooksMs);
  const last = await look();
  const before = new Set(first.findings.map(({ finding }) => finding));
  return { findings: last.findings.filter(({ finding }) => before.has(finding)), last };
}
