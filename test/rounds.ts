/** How often a test of random or repeated work tries: the short form for every commit, the full one for `npm run test:long`. */

/** `few`; with ROUNDS=n in the environment, n times `all`. */
export function rounds(few: number, all: number): number {
  const times = process.env['ROUNDS'];
  return times === undefined ? few : all * Number(times);
}
