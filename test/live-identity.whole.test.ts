/** The law of live identity over enough histories to meet everything that a history can hold. RUNS= for more. */
import { enoughHistories } from './law/history.js';
import { liveIdentityLaw } from './law/live-identity.js';

liveIdentityLaw(enoughHistories);
