/** The country that a fact names by two letters. */

export const countryVersion = '1';

/** Undefined for anything but two ASCII letters. */
export function countryOf(country: string): string | undefined {
  return /^[A-Za-z]{2}$/.test(country) ? country : undefined;
}
