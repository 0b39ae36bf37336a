/**
 * A role is a running layer: collector, sink, batch, speed or query. All roles start from the same context and can be
 * stopped. `swa start` runs them all; every layer's main.ts runs one as a process of its own.
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
  /** Drains and closes the role, which leaves its files in a clean state. Resolves within 10 s. */
  stop(): Promise<void>;
  /** Rejects when the role cannot recover by itself; does not resolve before `stop`. */
  readonly done: Promise<void>;
}

export type StartRole = (context: RoleContext) => Promise<RunningRole>;
