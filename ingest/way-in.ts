/**
 * The interface between the collector and `ways-in/`, which is outside the core: more routes on the collector's endpoint, and
 * requests to `POST /v1/events` that carry a browser key. The core knows nothing else of `ways-in/`, which is loaded only if configured.
 */
import type { RoleContext } from '../lib/process/role.js';
import type { Exchange, ForeignKeys, Route } from '../lib/http/route.js';
import type { Intake, IntakeAnswer } from './intake.js';

/** Takes events that pages send with a browser key instead of a key of SWA_API_KEYS. */
export interface BrowserEvents {
  /** Whether pages of this origin may send events. */
  allows(origin: string): boolean;
  /** The browser key in a parsed body; undefined if it has none. */
  keyIn(body: unknown): string | undefined;
  /**
   * Takes the events of a request. Throws `unauthorized` for an unknown key, `foreign-origin` for a page that does not belong to
   * the key's site, `too-many-requests`, `invalid-body`, `body-too-large`, and the errors of `Intake.take`.
   * @param body parsed JSON
   */
  take(exchange: Exchange, key: string, body: unknown): Promise<IntakeAnswer>;
}

export interface WayIn {
  readonly routes: readonly Route[];
  readonly browserEvents: BrowserEvents | undefined;
  /** For the collector's entry on the status board. */
  details(): Readonly<Record<string, unknown>>;
  close(): void;
}

/** Opens the ways in that are configured; undefined if there are none. Throws `config.invalid`. */
export type OpenWayIn = (context: RoleContext, intake: Intake) => Promise<WayIn | undefined>;

/** A request may carry a browser key if it has `key` in its query, or has no Authorization header. */
export function browserKeys(events: BrowserEvents): ForeignKeys {
  return {
    claims: ({ url = '', headers }) => headers.authorization === undefined || /[?&]key=/.test(url),
    allows: (origin) => events.allows(origin),
  };
}
