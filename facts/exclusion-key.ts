/** An exclusion's rule as one text, unlike for all rules: [by, value, from, to] as JSON, null where there is no limit. */
import { z } from 'zod';
import { exclusionKinds, type ExclusionRule } from './fact.js';

export function exclusionKey({ by, value, from, to }: ExclusionRule): string {
  return JSON.stringify([by, value, from ?? null, to ?? null]);
}

const keySchema = z
  .tuple([z.enum(exclusionKinds), z.string(), z.number().nullable(), z.number().nullable()])
  .transform(([by, value, from, to]): ExclusionRule => ({
    by,
    value,
    ...(from === null ? {} : { from }),
    ...(to === null ? {} : { to }),
  }));

/** Throws what JSON and zod throw for a text that is not such a key. */
export function parseExclusionKey(key: string): ExclusionRule {
  return keySchema.parse(JSON.parse(key));
}
