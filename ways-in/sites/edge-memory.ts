/**
 * What the door remembers of the edges it has made, within bounds and until a restart: it only saves facts that would count nothing, and keeps people apart
 * who share an address.
 */

import type { Candidate, IntakeAnswer } from '../../ingest/intake.js';
import { isObject } from '../logs/json-line.js';
import { isImplied, nothing, type Ignored, type Refusal, type SiteEvent } from './site-event.js';

/** Edges, and visitors of a day, that are remembered. */
const maxEdges = 100_000;

export class EdgeMemory {
  /** Their eventIds; the same edge always has the same. */
  readonly #made = new Set<string>();
  /** By visitor of the day: the first user seen there. */
  readonly #userOf = new Map<string, string>();
  #day = 0;

  /** Edges that are only implied are stored once, not with every event that names both ids. `candidates` are those of `events`. */
  withoutKnown(
    events: readonly (SiteEvent | Refusal | Ignored)[],
    candidates: readonly Candidate[],
  ): readonly Candidate[] {
    const seen = new Set<string>();
    return candidates.map((candidate, i) => {
      const event = events[i];
      const edge = event !== undefined && isImplied(event) ? edgeIdOf(candidate) : undefined;
      if (edge === undefined) return candidate;
      if (seen.has(edge) || this.#made.has(edge)) return nothing;
      seen.add(edge);
      return candidate;
    });
  }

  /** Edges that are durable now. */
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
   * Whether a visitor who is told apart by address and browser may be joined with a user. Only the first user of a day may: two colleagues behind one address
   * would otherwise be one person for good.
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
