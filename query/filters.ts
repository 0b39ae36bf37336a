/**
 * Refuses questions that combine filters ("people from this source with that browser"), with the reason and an alternative. Each subject has its own
 * sketch; sketches can be merged, but the size of an intersection can only be estimated with an unbounded error.
 */
import { HttpProblem } from '../lib/http/problem.js';
import { dimensions } from '../facts/subjects.js';

const reason =
  'that is an intersection, and sketches merge but do not intersect: the error would have no bound';

/**
 * The error for a question with a dimension as a parameter; undefined if it has none.
 * @param given names of all its parameters
 */
export function combinedFilters(given: readonly string[]): HttpProblem | undefined {
  const filters = dimensions.map(({ name }) => name).filter((name) => given.includes(name));
  const [first] = filters;
  if (first === undefined) return undefined;
  const others = ['url', 'by', ...filters.slice(1)].filter((name) => given.includes(name));
  const detail =
    others.length === 0
      ? `'${first}' is not a filter: /v1/breakdown with by=${first} counts each of its values`
      : `'${first}' cannot be combined with '${others.join("', '")}': ${reason}. Ask /v1/breakdown about one dimension, or add one that holds both (docs/add-a-view.md): the next batch run counts it over all history`;
  return new HttpProblem('invalid-parameter', detail, {
    parameter: first,
    extra: { instead: `/v1/breakdown?by=${first}` },
  });
}

export function urlAndDomain(): HttpProblem {
  return new HttpProblem(
    'invalid-parameter',
    `'domain' and 'url' cannot be combined: ${reason}. Every page lies in one domain, so ask about 'url' alone`,
    { parameter: 'domain' },
  );
}
