/** The two-letter country code of a pageview. */

export const countryVersion = '1';

/** Undefined unless the text is two ASCII letters. */
export function countryOf(country: string): string | undefined {
  return /^[A-Za-z]{2}$/.test(country) ? country : undefined;
}
