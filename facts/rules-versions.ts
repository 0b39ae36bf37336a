/** The versions of the rules, as answers, views and stores name them. */
import { z } from 'zod';

/** As shown in every answer. */
export const rulesVersionsSchema = z.object({ url: z.string(), domain: z.string(), bots: z.string() });

/** As stored in every batch view and realtime store. Earlier versions did not name the domain rule, and had another one. */
export const storedRulesSchema = rulesVersionsSchema.extend({ domain: z.string().default('not recorded') });

/** Equal versions, equal results. */
export type RulesVersions = Readonly<z.output<typeof rulesVersionsSchema>>;

export function sameRules(a: RulesVersions, b: RulesVersions): boolean {
  return a.url === b.url && a.domain === b.domain && a.bots === b.bots;
}

/** As messages name them. */
export function showRules({ url, domain, bots }: RulesVersions): string {
  return `url ${url}, domain ${domain}, bots ${bots}`;
}
