/** Erased ids in tests that have no data directory: all of them know an id by the same hash. */
import { ErasureHash } from '../erasures.js';

export const testErasures = new ErasureHash(() => '5'.repeat(64));
