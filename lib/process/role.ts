/**
 * A role is a running layer: collector, sink, batch, speed or query. Each starts from the same context and can be
 * stopped; `swa start` runs them all, and every layer's main.ts runs its one as a process of its own.
 */
import type { Logger } from 'pino';
import type { Clock } from '../time/clock.js';
import type { Config } from '../config/config.js';

export interface RoleContext {
  readonly config: Config;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface RunningRole {
  /** Drains and closes; the role's files are then as after a clean end. Resolves within 10 s. */
  stop(): Promise<void>;
  /** Rejects when the role cannot continue by itself; never resolves otherwise before `stop`. */
  readonly done: Promise<void>;
}

export type StartRole = (context: RoleContext) => Promise<RunningRole>;
