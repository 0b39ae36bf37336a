/** Visitors of logs without their addresses: an HMAC of address and user agent by a key of the data directory, 132 bits of it. */
import { createHmac } from 'node:crypto';

/** Bounded memory of visitors already made: most lines repeat one. */
const maxKnown = 65_536;

export class HashedAddresses {
  readonly #key: () => string;
  #known = new Map<string, string>();
  #keyRead: string | undefined;

  /** @param key asked for once, when the first visitor is made */
  constructor(key: () => string) {
    this.#key = key;
  }

  get key(): string {
    this.#keyRead ??= this.#key();
    return this.#keyRead;
  }

  visitorOf(address: string, userAgent: string | undefined): string {
    const said = `${address}\n${userAgent ?? '-'}`;
    const known = this.#known.get(said);
    if (known !== undefined) return known;
    const visitor = `ip-agent-hash:${createHmac('sha256', this.key).update(said).digest('base64url').slice(0, 22)}`;
    if (this.#known.size >= maxKnown) this.#known = new Map();
    this.#known.set(said, visitor);
    return visitor;
  }
}
