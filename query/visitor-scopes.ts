/**
 * The port through which answers learn whose visitors are told apart for a day only. Such a visitor counts once in each day; over several days
 * they are as many as there were days. The core does not know which sites those are (`ways-in/sites/`).
 */
import type { Subject } from '../facts/views/view.js';

export interface VisitorScopes {
  /** Whether visitors of a day are, or ever were, counted in a subject. */
  isDay(subject: Subject): boolean;
}

export const noScopes: VisitorScopes = { isDay: () => false };
