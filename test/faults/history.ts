/**
 * What clients outside the system have seen of it: every fact they sent with every acknowledgement, and every answer with
 * its cut. It lives in the process of the test, which no fault ends.
 */
import type { Offsets } from '../../log/log.js';
import type { Subject } from '../../facts/views/view.js';

/** A fact as it is sent to the door: all fields but those the door gives. */
export type SentFact =
  | {
      readonly type: 'pageview';
      readonly visitor: string;
      readonly url: string;
      readonly timestamp: number;
      readonly eventId: string;
    }
  | {
      readonly type: 'equiv' | 'retract';
      readonly a: string;
      readonly b: string;
      readonly timestamp: number;
      readonly eventId: string;
    };

export interface Sent {
  readonly fact: SentFact;
  /** How often it left a client. Each may have come through, whatever the client was told. */
  attempts: number;
  acknowledged: boolean;
}

/** A right answer (200), as a client got it. Hours are half-open. */
export interface Answered {
  /** Asks one question after the other. */
  readonly client: string;
  readonly what: 'uniques' | 'pageviews';
  readonly subject: Subject;
  readonly from: number;
  readonly to: number;
  readonly value: number | undefined;
  /** It has an ETag: all edges that wait had been read when it was made. */
  readonly isFinal: boolean;
  readonly generation: string;
  readonly batchCut: Offsets;
  /** Of the realtime view, or of the batch view where there is none. */
  readonly cut: Offsets;
}

export class History {
  /** By eventId. */
  readonly sent = new Map<string, Sent>();
  /** In the order in which they came. */
  readonly answers: Answered[] = [];
  /** Requests that got something else than 202 or 200, or no answer at all. */
  refused = 0;
  acknowledgedCount = 0;

  /** Call before they leave. */
  sending(facts: readonly SentFact[]): void {
    for (const fact of facts) {
      const known = this.sent.get(fact.eventId);
      if (known === undefined) this.sent.set(fact.eventId, { fact, attempts: 1, acknowledged: false });
      else known.attempts++;
    }
  }

  acknowledged(facts: readonly SentFact[]): void {
    for (const { eventId } of facts) {
      const sent = this.sent.get(eventId);
      if (sent === undefined || sent.acknowledged) continue;
      sent.acknowledged = true;
      this.acknowledgedCount++;
    }
  }
}
