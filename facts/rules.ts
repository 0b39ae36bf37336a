/** The versioned rules that turn facts into views: the same objects serve speed and batch. */
import { domainRuleVersion } from './url/domain.js';
import { UrlRules } from './url/normalize.js';
import { BotRule, type BotsMode } from './bots.js';
import type { RulesVersions } from './rules-versions.js';

export interface Rules {
  readonly url: UrlRules;
  readonly bots: BotRule;
  readonly versions: RulesVersions;
}

export function makeRules(options: {
  readonly queryAllow: readonly string[];
  readonly bots: BotsMode;
}): Rules {
  const url = new UrlRules({ queryAllow: options.queryAllow });
  const bots = new BotRule(options.bots);
  return { url, bots, versions: { url: url.version, domain: domainRuleVersion, bots: bots.version } };
}
