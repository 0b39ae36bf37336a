/** The age of batch views, as their ids say it: `v000042-5f3a9c1e` is the view of run 42. */
import type { ViewId } from './view.js';

/** Number of the run that made the view. */
export function viewNumber(id: ViewId): number {
  return Number(id.slice(1, id.indexOf('-')));
}

/** Orders views by age, the oldest first. The order of the texts is another one: the number of the millionth view has one more digit. */
export function compareViewIds(a: ViewId, b: ViewId): number {
  const byNumber = viewNumber(a) - viewNumber(b);
  if (byNumber !== 0) return byNumber;
  return a < b ? -1 : Number(a > b);
}
