/** The lambda law over a few histories: for every commit. test/lambda-law.whole.test.ts has more. */
import { lambdaLaw } from './law/lambda-law.js';

lambdaLaw(3);
