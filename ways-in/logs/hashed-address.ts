/** Visitor ids without addresses: the first 132 bits of an HMAC of address and user agent, keyed with a secret of the data directory. */
import { createHmac } from 'node:crypto';
import { TextMemo } from './fields/text-memo.js';

/** Maximum number of cached visitors; most lines repeat one. */
const maxKnown = 65_536;

export class HashedAddresses {
  readonly #key: () => string;
  readonly #visitors = new TextMemo((input) => this.#hash(input), maxKnown);
  #keyRead: string | undefined;

  /** @param key called once, when the key is first needed */
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

  #hash(input: string): string {
    return `ip-agent-hash:${createHmac('sha256', this.key).update(input).digest('base64url').slice(0, 22)}`;
  }
}
