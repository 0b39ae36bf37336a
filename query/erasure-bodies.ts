/** Schemas of what is answered about erasures, and of the times in all answers. */
import { z } from 'zod';

export const instantSchema = z.string().meta({ format: 'date-time', description: 'RFC 3339, UTC.' });

export const erasureSchema = z.object({
  id: z.string(),
  requestedAt: instantSchema,
  ids: z.number().describe('How many. The ids themselves are not kept.'),
  state: z
    .enum(['requested', 'recorded', 'excluded', 'done'])
    .describe(
      'requested, recorded: until the batch run that starts at once has published. excluded: the ids are in no answer, and files are being rewritten. done: they stand in no file of the data directory.',
    ),
  view: z.string().nullable().describe('The first batch view without the ids.'),
  doneAt: instantSchema.nullable(),
  step: z
    .string()
    .nullable()
    .describe(
      'While `excluded`: the step of the rewriting that it has not got past, and what that waits for.',
    ),
  parts: z
    .array(
      z.object({
        what: z.string(),
        files: z.array(
          z.object({
            path: z.string().describe('Below the data directory, as it was named before.'),
            records: z
              .number()
              .describe('Records in it that have lost their texts; 0 where the whole file went.'),
          }),
        ),
      }),
    )
    .describe('The receipt: what was rewritten or removed so far.'),
  notes: z.array(z.string()).describe("What is beyond the system's reach, and until when."),
});

export const overdueErasureSchema = z.object({
  id: z.string(),
  requestedAt: instantSchema,
  step: z.string().describe('The state or step that it has not got past.'),
  message: z.string().describe('The same in words, with what to do.'),
});
