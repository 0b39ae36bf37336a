/** Hash of a user agent -> whether it is a known bot's, so that an agent seen lately need not be a string again. */
import type { BotRule } from '../../facts/bots.js';
import { RecentTable } from '../../lib/memory/recent-table.js';

const rememberedAgents = 16_384;

export class BotAgents {
  readonly #rule: BotRule;
  readonly #recent = new RecentTable(rememberedAgents);

  constructor(rule: BotRule) {
    this.#rule = rule;
  }

  /**
   * 1 for a bot that the views leave out, 0 for any other agent, -1 when it is not remembered. The agent's hash lies at
   * `words[at]`.
   */
  known(words: Int32Array, at: number): number {
    return this.#recent.get(words, at);
  }

  /** Works it out, and remembers it under the agent's hash. */
  add(words: Int32Array, at: number, userAgent: string): number {
    const excluded = this.#rule.excludes(userAgent) ? 1 : 0;
    this.#recent.set(words, at, excluded);
    return excluded;
  }
}
