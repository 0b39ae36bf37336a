/** Makes a failing history smaller (delta debugging): leaves out ever shorter stretches of steps as long as it fails. */
import { messageOf } from '../../lib/errors/errors.js';
import type { History } from './history.js';

export interface Failing {
  readonly history: History;
  readonly failure: string;
}

export async function fewestSteps(
  history: History,
  live: (history: History) => Promise<void>,
): Promise<Failing> {
  let { steps } = history;
  let failure = 'it does not fail every time';
  for (let size = steps.length >> 1; size >= 1;) {
    const before = steps.length;
    for (let from = 0; from < steps.length;) {
      const fewer = steps.toSpliced(from, size);
      const problem = await problemOf(live, { ...history, steps: fewer });
      if (problem === undefined) from += size;
      else [steps, failure] = [fewer, problem];
    }
    if (steps.length === before) size >>= 1;
  }
  return { history: { ...history, steps }, failure };
}

async function problemOf(
  live: (history: History) => Promise<void>,
  history: History,
): Promise<string | undefined> {
  try {
    await live(history);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}
