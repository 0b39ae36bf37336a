/** The versioned rules that turn facts into views: the same objects serve speed and batch. */
import { UrlRules } from '../url/normalize.js';
import { BotRule, type BotsMode } from './bots.js';

export interface Rules {
  readonly url: UrlRules;
  readonly bots: BotRule;
  readonly versions: RulesVersions;
}

/** As recorded in every batch view and shown in every answer. Equal versions, equal results. */
export interface RulesVersions {
  readonly url: string;
  readonly bots: string;
}

export function makeRules(options: {
  readonly queryAllow: readonly string[];
  readonly bots: BotsMode;
}): Rules {
  const url = new UrlRules({ queryAllow: options.queryAllow });
  const bots = new BotRule(options.bots);
  return { url, bots, versions: { url: url.version, bots: bots.version } };
}
