/** Visitors of logs without their addresses: an HMAC of address and user agent by a key of the data directory, 132 bits of it. */
import { createHmac } from 'node:crypto';
import { TextMemo } from './fields/text-memo.js';

/** Visitors remembered: most lines repeat one. */
const maxKnown = 65_536;

export class HashedAddresses {
  readonly #key: () => string;
  readonly #visitors = new TextMemo((said) => this.#hash(said), maxKnown);
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
    return this.#visitors.get(`${address}\n${userAgent ?? '-'}`);
  }

  #hash(said: string): string {
    return `ip-agent-hash:${createHmac('sha256', this.key).update(said).digest('base64url').slice(0, 22)}`;
  }
}
