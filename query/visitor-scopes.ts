/**
 * The port that tells for which subjects visitors are only recognised within a day. Such a visitor counts once per day, so over several days once for
 * each day. The core does not know which sites these are (`ways-in/sites/`).
 */
import type { Subject } from '../facts/views/view.js';

export interface VisitorScopes {
  /** Whether visitors with ids for one day are, or ever were, counted in a subject. */
  isDay(subject: Subject): boolean;
}

export const noScopes: VisitorScopes = { isDay: () => false };
