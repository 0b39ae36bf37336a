/** Findings of an audit of the data directory: one line each for people, two fields for programs. */
import { setTimeout as sleep } from 'node:timers/promises';
import { SwaError, messageOf, systemCode } from './errors.js';

export interface Finding {
  /** What is wrong, naming the file. */
  readonly finding: string;
  /** What to do about it. */
  readonly fix: string;
}

/** Pause before a second look: the first may have met a file being replaced, while real damage persists. */
const betweenLooksMs = 300;

export class Findings {
  static readonly max = 100;
  /** At most `Findings.max`. */
  readonly findings: Finding[] = [];
  /** Files that a killed process left and the next start removes: no damage. At most `Findings.max`. */
  readonly leftovers: Finding[] = [];

  add(finding: string, fix: string): void {
    if (this.findings.length < Findings.max) this.findings.push({ finding, fix });
  }

  leftover(finding: string, fix: string): void {
    if (this.leftovers.length < Findings.max) this.leftovers.push({ finding, fix });
  }

  /**
   * Runs `look`. If it throws, adds a finding about `path` and returns undefined; a file that no longer exists is not a
   * finding.
   */
  attempt<T>(path: string, fix: string, look: () => T): T | undefined {
    try {
      return look();
    } catch (error) {
      this.thrown(path, fix, error);
      return undefined;
    }
  }

  /** Adds a finding about `path` for a thrown error, unless the error says that the file no longer exists. */
  thrown(path: string, fix: string, error: unknown): void {
    if (systemCode(error) === 'ENOENT') return;
    const message = messageOf(error);
    this.add(
      message.includes(path) ? message : `${path} cannot be read: ${message}`,
      (error instanceof SwaError ? error.hint : undefined) ?? fix,
    );
  }
}

/**
 * Returns the findings of two looks in a row, so that a running system causes no false alarm. The second look is taken
 * only if the first has a finding.
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
