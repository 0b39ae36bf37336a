/** Time as a parameter: logic never reads the system clock itself, so tests can run years in a millisecond. */

/** UTC milliseconds since 1970. */
export type Clock = () => number;

export const systemClock: Clock = () => Date.now();
