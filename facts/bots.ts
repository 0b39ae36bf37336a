/** Rule that decides whether a pageview comes from a known bot. The rule is versioned: batch views record the version they were built with. */
import { isbot } from 'isbot';
import { ownText } from '../lib/memory/own-text.js';
import { versionOf } from '../lib/files/package-version.js';

export type BotsMode = 'exclude' | 'include';

export class BotRule {
  /** Mode and version of the bot list: equal strings give equal results. */
  readonly version: string;
  readonly mode: BotsMode;
  readonly #memo = new Map<string, boolean>();

  constructor(mode: BotsMode) {
    this.mode = mode;
    this.version = mode === 'include' ? 'include' : `exclude;isbot=${versionOf('isbot')}`;
  }

  /** True if views leave out pageviews with this user agent. Pageviews without a user agent are kept. */
  excludes(userAgent: string | undefined): boolean {
    if (this.mode === 'include' || userAgent === undefined || userAgent === '') return false;
    const known = this.#memo.get(userAgent);
    if (known !== undefined) return known;
    const result = isbot(userAgent);
    if (this.#memo.size >= 16_384) this.#memo.clear();
    this.#memo.set(ownText(userAgent), result);
    return result;
  }
}
