/** A parameter of the API that is any text. */
import { z } from 'zod';

export const text = z.string().max(8_192);
