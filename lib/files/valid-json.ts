import type { z } from 'zod';

/** Parses JSON that may be damaged or of another version; undefined if it is not JSON or does not match the schema. */
export function validJson<T>(schema: z.ZodType<T>, text: string): T | undefined {
  try {
    return schema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined; // not JSON
  }
}
