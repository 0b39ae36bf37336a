/** The versions of the rules, as answers, views and stores name them. */
import { z } from 'zod';

/** As shown in every answer. */
export const rulesVersionsSchema = z.object({
  url: z.string(),
  domain: z.string(),
  bots: z.string(),
  dimensions: z.string(),
});

/** As stored in every batch view and realtime store. Earlier versions did not name the domain rule, and had another one; and kept no dimensions. */
export const storedRulesSchema = rulesVersionsSchema.extend({
  domain: z.string().default('not recorded'),
  dimensions: z.string().default('none'),
});

/** Equal versions, equal results. */
export type RulesVersions = Readonly<z.output<typeof rulesVersionsSchema>>;

export function sameRules(a: RulesVersions, b: RulesVersions): boolean {
  return rulesOf(a).every(([name, version]) => b[name] === version);
}

/** As messages name them. */
export function showRules(versions: RulesVersions): string {
  return rulesOf(versions)
    .map(([name, version]) => `${name} ${version}`)
    .join(', ');
}

function rulesOf(versions: RulesVersions): [keyof RulesVersions, string][] {
  return rulesVersionsSchema.keyof().options.map((name) => [name, versions[name]]);
}
