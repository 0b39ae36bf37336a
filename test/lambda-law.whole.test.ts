/** The lambda law over enough histories to meet everything that a history can hold. RUNS= for more. */
import { enoughHistories } from './law/history.js';
import { lambdaLaw } from './law/lambda-law.js';

lambdaLaw(enoughHistories);
