/**
 * Reading JSON bodies into typed values, once, at the edge. A body that does not have the expected shape throws
 * `ShapeError` naming the field: then page and server are of different versions.
 */

export class ShapeError extends Error {}

export type Decode<T> = (value: unknown, path: string) => T;

function expected<T>(what: string, test: (value: unknown) => value is T): Decode<T> {
  return (value, path) => {
    if (test(value)) return value;
    throw new ShapeError(`${path} is not ${what}`);
  };
}

export const text = expected('a text', (value): value is string => typeof value === 'string');
export const number = expected('a number', (value): value is number => typeof value === 'number');
export const flag = expected('true or false', (value): value is boolean => typeof value === 'boolean');
export const anything: Decode<unknown> = (value) => value;

/** An RFC 3339 time as UTC milliseconds. */
export const time: Decode<number> = (value, path) => {
  const timeMs = Date.parse(text(value, path));
  if (Number.isNaN(timeMs)) throw new ShapeError(`${path} is not a time`);
  return timeMs;
};

export function list<T>(of: Decode<T>): Decode<readonly T[]> {
  return (value, path) => {
    if (!Array.isArray(value)) throw new ShapeError(`${path} is not a list`);
    return value.map((item: unknown, i) => of(item, `${path}[${i}]`));
  };
}

/** null and absent both become undefined. */
export function maybe<T>(of: Decode<T>): Decode<T | undefined> {
  return (value, path) => (value === null || value === undefined ? undefined : of(value, path));
}

/** Fields that are not named are left out. */
export function object<T extends object>(fields: { readonly [K in keyof T]: Decode<T[K]> }): Decode<T> {
  return (value, path) => {
    const source = recordOf(value, path);
    const entries = Object.entries<Decode<unknown>>(fields).map(([name, of]) => [
      name,
      of(source[name], `${path}.${name}`),
    ]);
    return Object.fromEntries(entries) as T; // made field by field from T's own decoders
  };
}

export function record<T>(of: Decode<T>): Decode<Readonly<Record<string, T>>> {
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
