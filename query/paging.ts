/**
 * Lists that are read page by page. A cursor is the place behind a page as text: base64url of JSON, `[format, question, place]`. It holds no secret
 * and nothing is kept for it, so any query process takes it, at any time; whether the place is still one is the list's to say.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { HttpProblem } from '../lib/http/problem.js';

const format = 1;
const maxCursorLength = 2_048;

export const cursorShape = {
  cursor: z
    .string()
    .max(maxCursorLength)
    .regex(/^[A-Za-z0-9_-]+$/, 'is not a cursor of this list; start again from the first page, without it')
    .optional()
    .describe(
      '`next` of the page before, for the page that follows it. All other parameters but `limit` and `format` must be as they were.',
    ),
};

/** What of a list is wanted. */
export interface Paging<Place> {
  readonly limit: number;
  /** Undefined for the first page. */
  readonly after: Place | undefined;
  /** The cursor of a place in this list. */
  cursorOf(place: Place): string;
}

/** @param question what the list is of: a cursor is good for a question that is the same as JSON */
export class Paged<Place> {
  readonly #schema: z.ZodType<[number, string, Place]>;

  constructor(place: z.ZodType<Place>) {
    this.#schema = z.tuple([z.literal(format), z.string(), place]);
  }

  /** Throws `invalid-parameter` for a cursor that is none, or of another question. */
  pagingOf(
    question: readonly unknown[],
    { limit, cursor }: { readonly limit: number; readonly cursor?: string | undefined },
  ): Paging<Place> {
    const key = digest(JSON.stringify(question));
    return {
      limit,
      after: cursor === undefined ? undefined : this.#placeIn(cursor, key),
      cursorOf: (place) => Buffer.from(JSON.stringify([format, key, place])).toString('base64url'),
    };
  }

  #placeIn(cursor: string, key: string): Place {
    const parsed = this.#schema.safeParse(parse(cursor));
    if (!parsed.success) throw refusal('is not a cursor of this list');
    const [, question, place] = parsed.data;
    if (question !== key) throw refusal('is of another question');
    return place;
  }
}

/** As a part of an answer. */
export function nextOf<Place>(paging: Paging<Place>, place: Place | undefined): { readonly next?: string } {
  return place === undefined ? {} : { next: paging.cursorOf(place) };
}

function parse(cursor: string): unknown {
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString());
  } catch {
    return undefined;
  }
}

function refusal(why: string): HttpProblem {
  return new HttpProblem(
    'invalid-parameter',
    `'cursor' ${why}; start again from the first page, without it`,
    {
      parameter: 'cursor',
    },
  );
}

/** What has been read is no longer the beginning of the list. */
export function listChanged(why: string): HttpProblem {
  return new HttpProblem('list-changed', `'cursor': ${why}; start again from the first page, without it`, {
    parameter: 'cursor',
  });
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, 22);
}
