/** The versioned rules that turn facts into views: the same objects serve speed and batch. */
import { domainRuleVersion } from './url/domain.js';
import { UrlRules } from './url/normalize.js';
import { ErasureHash, erasureHashOf } from './erasures.js';
import { BotRule, type BotsMode } from './bots.js';
import { DimensionRules } from './dimensions/dimension-rules.js';
import type { RulesVersions } from './rules-versions.js';

export interface Rules {
  readonly url: UrlRules;
  readonly bots: BotRule;
  readonly dimensions: DimensionRules;
  /** How erased ids are told. Of a data directory: the same ids have other hashes in another one. */
  readonly erasures: ErasureHash;
  readonly versions: RulesVersions;
}

/** Takes the configuration, or what of it decides. Throws `config.invalid` for a dimension that is not known. */
export function makeRules(options: {
  readonly urlQueryAllow: readonly string[];
  readonly bots: BotsMode;
  /** Default: all. */
  readonly dimensions?: readonly string[];
  /** Whose secret tells erased ids; without one none are told. */
  readonly dataDir?: string;
}): Rules {
  const url = new UrlRules({ queryAllow: options.urlQueryAllow });
  const bots = new BotRule(options.bots);
  const dimensions = new DimensionRules(options.dimensions);
  const versions = {
    url: url.version,
    domain: domainRuleVersion,
    bots: bots.version,
    dimensions: dimensions.version,
  };
  const { dataDir } = options;
  const erasures = dataDir === undefined ? new ErasureHash(() => undefined) : erasureHashOf(dataDir);
  return { url, bots, dimensions, erasures, versions };
}
