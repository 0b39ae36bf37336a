/**
 * A bounded memory of the edges that the door has made since the start. It avoids storing edges again that would change nothing, and keeps people
 * who share an address from being joined.
 */

import type { Candidate, IntakeAnswer } from '../../ingest/intake.js';
import { isObject } from '../logs/json-line.js';
import { isImplied, noFact, type Ignored, type Refusal, type SiteEvent } from './site-event.js';

/** Maximum number of remembered edges, and of remembered visitors of the day. */
const maxEdges = 100_000;

export class EdgeMemory {
  /** eventIds of edges; the same edge always has the same eventId. */
  readonly #made = new Set<string>();
  /** First user seen with each visitor of the day. */
  readonly #userOf = new Map<string, string>();
  #day = 0;

  /** Drops implied edges that are already stored, so that not every event that names both ids stores one. `candidates[i]` belongs to `events[i]`. */
  withoutKnown(
    events: readonly (SiteEvent | Refusal | Ignored)[],
    candidates: readonly Candidate[],
  ): readonly Candidate[] {
    const seen = new Set<string>();
    return candidates.map((candidate, i) => {
      const event = events[i];
      const edge = event !== undefined && isImplied(event) ? edgeIdOf(candidate) : undefined;
      if (edge === undefined) return candidate;
      if (seen.has(edge) || this.#made.has(edge)) return noFact;
      seen.add(edge);
      return candidate;
    });
  }

  /** Remembers the edges among the candidates that were accepted, which are durable now. */
  remember(candidates: readonly Candidate[], { rejected }: IntakeAnswer): void {
    const bad = new Set(rejected.map(({ index }) => index));
    for (const [i, candidate] of candidates.entries()) {
      const edge = bad.has(i) ? undefined : edgeIdOf(candidate);
      if (edge === undefined) continue;
      if (this.#made.size >= maxEdges) this.#made.clear();
      this.#made.add(edge);
    }
  }

  /**
   * Whether a visitor identified by address and browser may be joined with a user. Only the first user of the day may be joined: otherwise two
   * colleagues with the same address would become one person forever.
   * @param day see `dayOf`
   */
  mayJoin(visitor: string, user: string, day: number): boolean {
    if (day !== this.#day) {
      this.#day = day;
      this.#userOf.clear();
    }
    const known = this.#userOf.get(visitor);
    if (known !== undefined) return known === user;
    if (this.#userOf.size >= maxEdges) return false;
    this.#userOf.set(visitor, user);
    return true;
  }
}

function edgeIdOf(candidate: Candidate): string | undefined {
  const value = candidate.kind === 'fact' ? candidate.value : undefined;
  if (!isObject(value) || value['type'] !== 'equiv') return undefined;
  return typeof value['eventId'] === 'string' ? value['eventId'] : undefined;
}
