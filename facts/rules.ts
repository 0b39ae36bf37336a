/** The versioned rules that turn facts into views. Speed and batch use the same objects. */
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
  /** Recognises erased ids. Bound to a data directory: its hashes differ from those of any other. */
  readonly erasures: ErasureHash;
  readonly versions: RulesVersions;
}

/** Takes the configuration, or the relevant part of it. Throws `config.invalid` for an unknown dimension. */
export function makeRules(options: {
  readonly urlQueryAllow: readonly string[];
  readonly bots: BotsMode;
  /** Default: all. */
  readonly dimensions?: readonly string[];
  /** Directory whose secret recognises erased ids; without it no id is recognised as erased. */
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
