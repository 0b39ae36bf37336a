/** Shared by the three notations: turns directives and the texts between them into the fields of a shape. */
import { SwaError } from '../../../lib/errors/errors.js';
import type { Field, ShapeField } from '../text-shape.js';

export interface Directive {
  readonly field: Field;
  /** As written in the notation. */
  readonly title: string;
  /** Whether the server writes brackets that the notation does not show, as for Apache's `%t`. */
  readonly isBracketed?: boolean;
  /** Number of spaces in its text. */
  readonly blanks?: number;
}

/** A literal text or a directive, in the order of the line. */
export type Part = string | Directive;

/** Makes the fields of a shape. Throws `usage.invalid` if two fields have no separator, or if there is no field for client or time. */
export function shapeOf(
  parts: readonly Part[],
  notation: string,
): { readonly fields: readonly ShapeField[]; readonly after: string } {
  const shape: ShapeField[] = [];
  let before = '';
  let previous: Directive | undefined;
  /** Closing quote or bracket of the previous field. */
  let closing = '';
  for (const [i, part] of parts.entries()) {
    if (typeof part === 'string') {
      before += part.slice(closing.length);
      closing = '';
      continue;
    }
    const next = parts[i + 1];
    const after = typeof next === 'string' ? next : '';
    const isQuoted = before.endsWith('"') && after.startsWith('"');
    const isBracketed = before.endsWith('[') && after.startsWith(']');
    if (previous !== undefined && before === '') {
      throw new SwaError(
        'usage.invalid',
        `the log format has no separator between ${previous.title} and ${part.title}`,
        {
          hint: 'put a space between them, or remove one',
        },
      );
    }
    shape.push({
      field: part.field,
      title: titleOf(part),
      style: isQuoted ? 'quoted' : isBracketed || part.isBracketed === true ? 'bracketed' : 'plain',
      before: isQuoted || isBracketed ? before.slice(0, -1) : before,
      blanks: part.field === 'request' ? 2 : (part.blanks ?? 0),
    });
    closing = isQuoted || isBracketed ? after.charAt(0) : '';
    before = '';
    previous = part;
  }
  for (const [field, what] of [
    ['address', 'the address of the client'],
    ['time', 'the time'],
  ] as const) {
    const isThere = shape.some(
      (one) =>
        one.field === field ||
        (field === 'time' && one.field === 'date') ||
        (field === 'address' && one.field === 'forwardedFor'),
    );
    if (!isThere)
      throw new SwaError('usage.invalid', `the log format (${notation}) has no field for ${what}`);
  }
  return { fields: shape, after: before };
}

const titles: Partial<Record<Field, string>> = {
  address: 'address',
  forwardedFor: 'X-Forwarded-For field',
  ident: 'ident',
  user: 'user',
  time: 'time',
  date: 'date',
  timeOfDay: 'time of day',
  request: 'request',
  status: 'status',
  host: 'host',
  server: 'host',
  referrer: 'referrer',
  userAgent: 'user agent',
};

function titleOf({ field, title }: Directive): string {
  return titles[field] ?? `field ${title}`;
}
