/** The versioned rules that turn facts into views: the same objects serve speed and batch. */
import { z } from 'zod';
import { domainRuleVersion } from './url/domain.js';
import { UrlRules } from './url/normalize.js';
import { BotRule, type BotsMode } from './bots.js';

export interface Rules {
  readonly url: UrlRules;
  readonly bots: BotRule;
  readonly versions: RulesVersions;
}

/** As shown in every answer. */
export const rulesVersionsSchema = z.object({ url: z.string(), domain: z.string(), bots: z.string() });

/** As stored in every batch view and realtime store. Earlier versions did not name the domain rule, and had another one. */
export const storedRulesSchema = rulesVersionsSchema.extend({ domain: z.string().default('not recorded') });

/** Equal versions, equal results. */
export type RulesVersions = Readonly<z.output<typeof rulesVersionsSchema>>;

export function makeRules(options: {
  readonly queryAllow: readonly string[];
  readonly bots: BotsMode;
}): Rules {
  const url = new UrlRules({ queryAllow: options.queryAllow });
  const bots = new BotRule(options.bots);
  return { url, bots, versions: { url: url.version, domain: domainRuleVersion, bots: bots.version } };
}

export function sameRules(a: RulesVersions, b: RulesVersions): boolean {
  return a.url === b.url && a.domain === b.domain && a.bots === b.bots;
}

/** As messages name them. */
export function showRules({ url, domain, bots }: RulesVersions): string {
  return `url ${url}, domain ${domain}, bots ${bots}`;
}
