/** A parameter of the API that is any text. */
import { z } from 'zod';

export const textParameter = z.string().max(8_192);
