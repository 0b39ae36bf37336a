/** Versions of the rules, as recorded in answers, views and stores. */
import { z } from 'zod';

/** As shown in every answer. */
export const rulesVersionsSchema = z.object({
  url: z.string(),
  domain: z.string(),
  bots: z.string(),
  dimensions: z.string(),
});

/**
 * As stored in batch views and realtime stores. The defaults are for stores of earlier versions, which did not record the domain rule (an older
 * one) and had no dimensions.
 */
export const storedRulesSchema = rulesVersionsSchema.extend({
  domain: z.string().default('not recorded'),
  dimensions: z.string().default('none'),
});

/** Equal versions give equal results. */
export type RulesVersions = Readonly<z.output<typeof rulesVersionsSchema>>;

/** Made once: the schema makes a list of its keys at each call, and every answer compares versions. */
const names = rulesVersionsSchema.keyof().options;

export function sameRules(a: RulesVersions, b: RulesVersions): boolean {
  return names.every((name) => a[name] === b[name]);
}

/** Text for messages. */
export function showRules(versions: RulesVersions): string {
  return names.map((name) => `${name} ${versions[name]}`).join(', ');
}
