/** Cache from the hash of a user agent to whether it is a known bot, so that a recent agent is not decoded into a string again. */
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
   * 1 for a bot that the views leave out, 0 for any other agent, -1 if it is not cached. The agent's hash is at `words[at]`.
   */
  known(words: Int32Array, at: number): number {
    return this.#recent.get(words, at);
  }

  /** Applies the rule, and caches the result under the agent's hash. */
  add(words: Int32Array, at: number, userAgent: string): number {
    const excluded = this.#rule.excludes(userAgent) ? 1 : 0;
    this.#recent.set(words, at, excluded);
    return excluded;
  }
}
