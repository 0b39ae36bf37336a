/** JSON that may be damaged, or of another version, where that is as good as none. */
import type { z } from 'zod';

/** What the text holds; undefined when it is not JSON, or JSON of another shape. */
export function validJson<T>(schema: z.ZodType<T>, text: string): T | undefined {
  try {
    return schema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined; // no JSON
  }
}
