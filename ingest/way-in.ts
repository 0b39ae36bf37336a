/**
 * The port between the collector and what is around the core (`ways-in/`): other routes on its endpoint, and requests to
 * `POST /v1/events` that carry a browser key. Loaded only where it is configured; the core knows no more of it than this.
 */
import type { RoleContext } from '../lib/process/role.js';
import type { Exchange, ForeignKeys, Route } from '../lib/http/route.js';
import type { Intake, IntakeAnswer } from './intake.js';

/** Takes the events of pages, which carry a browser key in place of one of SWA_API_KEYS. */
export interface BrowserEvents {
  /** Origins whose pages may send. */
  allows(origin: string): boolean;
  /** The key of a body, where its text is JSON that carries one. */
  keyIn(body: unknown): string | undefined;
  /**
   * Takes what a page sent. Throws `unauthorized` for a key that is not known, `foreign-origin` for a page that is not of the key's
   * site, `too-many-requests`, `invalid-body`, `body-too-large`, and what `Intake.take` throws.
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

/** Opens what the configuration asks for; undefined when that is nothing. Throws `config.invalid`. */
export type OpenWayIn = (context: RoleContext, intake: Intake) => Promise<WayIn | undefined>;

/** A request that names a key in its query, or has no key of SWA_API_KEYS, may carry a browser key. */
export function browserKeys(events: BrowserEvents): ForeignKeys {
  return {
    claims: ({ url = '', headers }) => headers.authorization === undefined || /[?&]key=/.test(url),
    allows: (origin) => events.allows(origin),
  };
}
