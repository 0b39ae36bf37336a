/**
 * Schemas of facts as clients send them, for the OpenAPI document. They do not validate: the door does, by hand, and takes only the field names
 * from here.
 */
import { z } from 'zod';
import { exclusionKinds } from './fact.js';
import { maxIdBytes } from './ids.js';

const id = z.string().min(1);
const visitorId = id.describe(
  `A visitor id, by convention kind:value ('cookie:9f3c', 'user:42'): 1 to ${maxIdBytes} bytes of UTF-8 without control characters, and no placeholder such as 'null', 'guest' or the nil UUID.`,
);
const sharedFields = {
  timestamp: z
    .union([z.string(), z.number()])
    .optional()
    .describe(
      'When it happened: RFC 3339, or UTC milliseconds. From 1990 on, at most 5 minutes ahead. Default: now.',
    ),
  eventId: z
    .string()
    .nullish()
    .describe(
      `A fact sent again with the same eventId is a repeat and does not count: up to ${maxIdBytes} bytes. A placeholder counts as none.`,
    ),
};

export const pageviewSchema = z.looseObject({
  type: z.literal('pageview'),
  visitor: visitorId,
  url: z.string().describe('An http or https URL; at most 2048 bytes after the URL rules.'),
  ...sharedFields,
  userAgent: z
    .string()
    .nullish()
    .describe('Default: the User-Agent header, if a browser sent the request. Truncated to 2048 bytes.'),
  referrer: z.string().nullish().describe('Truncated to 2048 bytes.'),
  country: z
    .string()
    .regex(/^[A-Za-z]{2}$/)
    .nullish()
    .describe('Two letters, stored in upper case.'),
  importId: id.nullish().describe(`Names the import it belongs to: up to ${maxIdBytes} bytes.`),
});

export const edgeSchema = z.looseObject({
  type: z.enum(['equiv', 'retract']).describe('retract takes back an equiv of the same two ids.'),
  a: visitorId,
  b: visitorId.describe('The other visitor id of the same person.'),
  ...sharedFields,
  source: z.string().nullish().describe(`Where the link is known from. Truncated to ${maxIdBytes} bytes.`),
});

const limit = z.union([z.string(), z.number()]).nullish();

export const exclusionSchema = z.looseObject({
  type: z
    .enum(['exclude', 'include'])
    .describe(
      'exclude leaves pageviews out of all views from the next batch run on; include takes back an exclude of the same by, value, from and to. With keys: admin alone.',
    ),
  by: z
    .enum(exclusionKinds)
    .describe(
      "visitor, importId, userAgent: pageviews that have exactly this value. urlPrefix: those whose page, by the URL rules, begins with it; one that ends in '/' means the page itself and what lies below it. erased: those of the visitor whose id has this hash; made by `swa erase` and POST /v1/erasures alone, and never taken back.",
    ),
  value: z.string(),
  from: limit.describe(
    "Pageviews before this time stay: RFC 3339 or UTC milliseconds, of the pageview's own time.",
  ),
  to: limit.describe('Pageviews from this time on stay.'),
  ...sharedFields,
});
