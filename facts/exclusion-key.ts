/** An exclusion's rule as a unique text: [by, value, from, to] as JSON, null for no limit. */
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

/** Inverse of `exclusionKey`. Throws the errors of JSON.parse and zod for any other text. */
export function parseExclusionKey(key: string): ExclusionRule {
  return keySchema.parse(JSON.parse(key));
}
