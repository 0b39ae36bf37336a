/** Hashes of erased ids for tests without a data directory. */
import { ErasureHash } from '../erasures.js';

export const testErasures = new ErasureHash(() => '5'.repeat(64));
