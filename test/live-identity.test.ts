/** The law of live identity over a few histories: for every commit. test/live-identity.whole.test.ts has more. */
import { liveIdentityLaw } from './law/live-identity.js';

liveIdentityLaw(3);
