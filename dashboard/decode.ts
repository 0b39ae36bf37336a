/**
 * Decodes JSON bodies into typed values, once, at the edge. A body of another shape throws `ShapeError` naming the field: page and server then
 * have different versions.
 */

export class ShapeError extends Error {}

/** Decodes a `T` from what the API describes as `Wire`; `satisfies Decode<unknown, Body>` lets the compiler check both against each other. */
export type Decode<T, Wire = never> = ((value: unknown, path: string) => T) & {
  readonly wire?: (wire: Wire) => void; // only for the compiler
};

/** The result type of a decoder. */
export type Decoded<D> = D extends Decode<infer T> ? T : never;

type WireOf<D> = D extends { readonly wire?: (wire: infer Wire) => void } ? Wire : never;
type Fields = Readonly<Record<string, Decode<unknown>>>;
/** The fields that may be absent. */
type Absent<F> = { [K in keyof F]: undefined extends WireOf<F[K]> ? K : never }[keyof F];
type WireObject<F> = { readonly [K in Exclude<keyof F, Absent<F>>]: WireOf<F[K]> } & {
  readonly [K in Absent<F>]?: WireOf<F[K]>;
};

function expected<T>(what: string, test: (value: unknown) => value is T): Decode<T, T> {
  return (value, path) => {
    if (test(value)) return value;
    throw new ShapeError(`${path} is not ${what}`);
  };
}

export const text = expected('a text', (value): value is string => typeof value === 'string');
export const number = expected('a number', (value): value is number => typeof value === 'number');
export const flag = expected('true or false', (value): value is boolean => typeof value === 'boolean');
export const anything: Decode<unknown, unknown> = (value) => value;

/** An RFC 3339 time as UTC milliseconds. */
export const time: Decode<number, string> = (value, path) => {
  const timeMs = Date.parse(text(value, path));
  if (Number.isNaN(timeMs)) throw new ShapeError(`${path} is not a time`);
  return timeMs;
};

export function list<T, Wire>(of: Decode<T, Wire>): Decode<readonly T[], readonly Wire[]> {
  return (value, path) => {
    if (!Array.isArray(value)) throw new ShapeError(`${path} is not a list`);
    return value.map((item: unknown, i) => of(item, `${path}[${i}]`));
  };
}

/** null and a missing field both become undefined. */
export function maybe<T, Wire>(of: Decode<T, Wire>): Decode<T | undefined, Wire | null | undefined> {
  return (value, path) => (value === null || value === undefined ? undefined : of(value, path));
}

/** A field that the API sends only on request; the page always requests it. */
export function asked<T, Wire>(of: Decode<T, Wire>): Decode<T, Wire | undefined> {
  return (value, path) => of(value, path);
}

/** Drops fields that are not listed. */
export function object<F extends Fields>(
  fields: F,
): Decode<{ readonly [K in keyof F]: Decoded<F[K]> }, WireObject<F>> {
  return (value, path) => {
    const source = recordOf(value, path);
    const entries = Object.entries(fields).map(([name, of]) => [name, of(source[name], `${path}.${name}`)]);
    return Object.fromEntries(entries) as { readonly [K in keyof F]: Decoded<F[K]> }; // field by field
  };
}

export function record<T, Wire>(
  of: Decode<T, Wire>,
): Decode<Readonly<Record<string, T>>, Readonly<Record<string, Wire>>> {
  return (value, path) =>
    Object.fromEntries(
      Object.entries(recordOf(value, path)).map(([name, item]) => [name, of(item, `${path}.${name}`)]),
    );
}

function recordOf(value: unknown, path: string): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Readonly<Record<string, unknown>>; // checked; its fields are still unknown
  }
  throw new ShapeError(`${path} is not an object`);
}
