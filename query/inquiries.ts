/**
 * The table of all questions: parameters, description, and how to answer. The HTTP routes, the OpenAPI document and the in-process API (`ask`) are
 * made from it.
 */
import { z } from 'zod';
import { controlCharacters, maxIdBytes } from '../facts/ids.js';
import { dimensions } from '../facts/subjects.js';
import { HttpProblem } from '../lib/http/problem.js';
import { check, takesMany, unknownParameter } from '../lib/http/route.js';
import type { Answer } from './answers/answer.js';
import { bounceRate } from './answers/bounce-rate.js';
import { breakdown } from './answers/breakdown.js';
import { domains, pagedDomains } from './answers/domains.js';
import { now } from './answers/now.js';
import { pages } from './answers/pages.js';
import { pageviews } from './answers/pageviews.js';
import { maxIdsListed, person } from './answers/persons.js';
import { pagedTop } from './answers/top.js';
import { uniques } from './answers/uniques.js';
import { visits } from './answers/visits.js';
import { bodies, type LayerName } from './bodies.js';
import type { Engine } from './engine/engine.js';
import type { PinnedGeneration } from './engine/generations.js';
import { layerOf } from './engine/layers.js';
import { Pace } from './engine/pace.js';
import { combinedFilters } from './filters.js';
import { column } from './formats/table.js';
import { maxMinutes } from './now/recent-pageviews.js';
import { cursorShape } from './paging.js';
import { layerShape, seriesQuestion, seriesShape } from './question/series.js';
import { parseDimension, parseDomain, requireDomain, type DomainInput } from './question/subjects.js';
import { textParameter } from './question/text-parameter.js';
import { rangeShape, timeRange, zoneShape } from './question/time-range.js';

type Shape = Readonly<Record<string, z.ZodType>>;
export type PreparedQuestion = (generation: PinnedGeneration, pace: Pace) => Answer | Promise<Answer>;

export interface Inquiry {
  readonly name: string;
  readonly path: `/${string}`;
  readonly operationId: string;
  readonly summary: string;
  readonly description?: string;
  readonly params: Shape;
  readonly query: Shape;
  /** The answer changes with time alone, so it has no ETag and is not cached. */
  readonly isVolatile?: boolean;
  /** Params and query together: the input of `ask`. */
  readonly input: z.ZodObject;
  /** Schema of the JSON body. */
  readonly body: z.ZodType;
  /**
   * Checks what can be checked before a generation is pinned; throws HttpProblem. `parsed` is the output of the schemas of params and query together;
   * `only` is the one domain that the caller may ask about, if it is restricted.
   */
  readonly prepare: (engine: Engine, parsed: unknown, only?: string) => PreparedQuestion;
  /** Whether callers with a key of one domain may ask it. */
  readonly forDomainKeys: boolean;
  /** The part of a pinned generation to answer from: all of it, or the layer that `parsed` names. Throws `not-ready`. */
  readonly partOf: (generation: PinnedGeneration, parsed: unknown) => PinnedGeneration;
}

function inquiry<P extends Shape, Q extends Shape>(
  definition: Omit<Inquiry, 'prepare' | 'partOf' | 'params' | 'query' | 'input' | 'forDomainKeys'> & {
    /** `answer` itself restricts the answer to the domain `only`. */
    readonly filtersByDomain?: boolean;
    readonly params?: P;
    readonly query: Q;
    readonly answer: (
      engine: Engine,
      input: z.output<z.ZodObject<P>> & z.output<z.ZodObject<Q>>,
      only: string | undefined,
    ) => PreparedQuestion;
  },
): Inquiry {
  const { answer, params, query, filtersByDomain = false, ...rest } = definition;
  return {
    ...rest,
    params: params ?? {},
    query,
    input: z.object({ ...params, ...query }),
    // Callers, `ask` and http/routes.ts, pass the output of these schemas.
    prepare: (engine, parsed, only) => {
      const input = parsed as z.output<z.ZodObject<P>> & z.output<z.ZodObject<Q>>;
      const prepared = answer(engine, input, only);
      if (only !== undefined && !filtersByDomain) requireDomain(only, parsed as DomainInput, engine.urls);
      return prepared;
    },
    forDomainKeys: filtersByDomain || 'domain' in query,
    // Only questions that read both layers have `layer` in their shape.
    partOf: (generation, parsed) => layerOf(generation, (parsed as { layer?: LayerName }).layer),
  };
}

/** Answers from one part of a generation, and marks answers of one layer. */
export async function answerFrom(
  prepared: PreparedQuestion,
  part: PinnedGeneration,
  pace: Pace,
): Promise<Answer> {
  const answer = await prepared(part, pace);
  const { layer } = part;
  if (layer === undefined) return answer;
  // Rows are sent without the body, so each names the layer.
  const { columns, rows } = answer.table;
  return {
    ...answer,
    table: { columns: [...columns, column('layer', 'text')], rows: rows.map((row) => [...row, layer]) },
  };
}

const domain = textParameter.describe('Registrable domain.');

function whole(preset: number, max: number, description: string) {
  const digits = new RegExp(`^0*[1-9][0-9]{0,${String(max).length - 1}}$`);
  const isInRange = (given: string): boolean => digits.test(given) && Number(given) <= max;
  return z
    .string()
    .refine(isInRange, `must be a whole number from 1 to ${max}`)
    .meta({ type: 'integer', minimum: 1, maximum: max })
    .optional()
    .transform((given) => (given === undefined ? preset : Number(given)))
    .describe(`${description} 1 to ${max}, default ${preset}.`);
}

/** Accepts any text: whether the dimension exists and is kept is checked later, by parseDimension. */
const dimension = textParameter
  .meta({ enum: dimensions.map(({ name }) => name) })
  .describe(`Dimension. ${dimensions.map(({ name, title }) => `${name}: ${title}`).join('. ')}.`);

const visitorId = z
  .string()
  .min(1)
  .refine(
    (id) => Buffer.byteLength(id) <= maxIdBytes && !controlCharacters.test(id),
    'must be 1 to 256 bytes without control characters',
  )
  .describe('A visitor id.');

export const inquiries: readonly Inquiry[] = [
  inquiry({
    name: 'uniques',
    path: '/v1/uniques',
    operationId: 'uniques',
    summary: 'How many different people visited a page, several pages or a domain in a range',
    query: seriesShape,
    body: bodies.uniques,
    answer: (engine, input) => {
      const question = seriesQuestion(input, engine);
      return (generation, pace) => uniques({ engine, generation, question, pace });
    },
  }),
  inquiry({
    name: 'pageviews',
    path: '/v1/pageviews',
    operationId: 'pageviews',
    summary: 'How many pageviews a page, several pages or a domain had in a range',
    query: seriesShape,
    body: bodies.pageviews,
    answer: (engine, input) => {
      const question = seriesQuestion(input, engine);
      return (generation, pace) => pageviews({ engine, generation, question, pace });
    },
  }),
  inquiry({
    name: 'bounce-rate',
    path: '/v1/bounce-rate',
    operationId: 'bounceRate',
    summary: 'Visits, bounces and bounce rate of a domain in a range',
    description: 'From the batch view alone: `through` says up to when. A visit counts in the hour it began.',
    query: { domain, ...rangeShape, ...zoneShape },
    body: bodies.bounceRate,
    answer: (engine, input) => {
      const question = { ...timeRange(input, engine.zones), domain: parseDomain(input.domain, engine.urls) };
      return (generation) => bounceRate(engine, generation, question);
    },
  }),
  inquiry({
    name: 'visits',
    path: '/v1/visits',
    operationId: 'visits',
    summary: 'Visits of a domain in a range: bounce rate, pageviews per visit and duration',
    description:
      'From the batch view alone: `through` says up to when. All of a visit counts in the bucket it began in.',
    query: {
      domain,
      ...rangeShape,
      ...zoneShape,
      interval: seriesShape.interval,
      compare: seriesShape.compare,
    },
    body: bodies.visits,
    answer: (engine, input) => {
      const question = { ...seriesQuestion(input, engine), domain: parseDomain(input.domain, engine.urls) };
      return (generation) => visits(engine, generation, question);
    },
  }),
  inquiry({
    name: 'pages',
    path: '/v1/pages',
    operationId: 'pages',
    summary: 'The busiest pages of a domain in a range, by pageviews',
    query: {
      domain,
      ...rangeShape,
      ...zoneShape,
      ...layerShape,
      limit: whole(20, 1_000, 'Maximum number of pages listed.'),
      ...cursorShape,
    },
    body: bodies.pages,
    answer: (engine, input) => {
      const time = timeRange(input, engine.zones);
      const target = { domain: parseDomain(input.domain, engine.urls) };
      const paging = pagedTop.pagingOf(['pages', target, time.range, input.layer], input);
      const question = { ...time, ...target, paging };
      return (generation, pace) => pages(engine, generation, question, pace);
    },
  }),
  inquiry({
    name: 'breakdown',
    path: '/v1/breakdown',
    operationId: 'breakdown',
    summary: 'The values of a dimension of a domain in a range, by visitors',
    description:
      'Each value is an estimate of its own. A person may have several values, so they do not add up.',
    query: {
      domain,
      by: dimension,
      ...rangeShape,
      ...zoneShape,
      ...layerShape,
      limit: whole(20, 1_000, 'Maximum number of values listed.'),
      ...cursorShape,
    },
    body: bodies.breakdown,
    answer: (engine, input) => {
      const time = timeRange(input, engine.zones);
      const target = {
        domain: parseDomain(input.domain, engine.urls),
        by: parseDimension(input.by, engine.dimensions),
      };
      const paging = pagedTop.pagingOf(['breakdown', target, time.range, input.layer], input);
      const question = { ...time, ...target, paging };
      return (generation, pace) => breakdown(engine, generation, question, pace);
    },
  }),
  inquiry({
    name: 'now',
    path: '/v1/now',
    operationId: 'now',
    summary: 'How many people are on a domain now, and on which of its pages',
    description:
      'People with a pageview whose own time and arrival both lie in the last minutes, counted one by one from the end of the log.',
    isVolatile: true,
    query: {
      domain,
      minutes: whole(5, maxMinutes, 'How far back, in minutes.'),
      limit: whole(10, 100, 'Maximum number of pages listed.'),
    },
    body: bodies.now,
    answer: (engine, { minutes, limit, ...input }) => {
      const question = { domain: parseDomain(input.domain, engine.urls), minutes, limit };
      return (generation, pace) => now(engine, generation, question, pace);
    },
  }),
  inquiry({
    name: 'domains',
    path: '/v1/domains',
    operationId: 'domains',
    summary: 'The domains that have been seen, in alphabetical order',
    query: {
      contains: z.string().max(256).optional().describe('Only domains that contain this text.'),
      limit: whole(100, 1_000, 'Maximum number of domains listed.'),
      ...cursorShape,
    },
    body: bodies.domains,
    filtersByDomain: true,
    answer: (engine, input, only) => {
      const contains = (input.contains ?? '').toLowerCase();
      const question = { contains, only, paging: pagedDomains.pagingOf(['domains', contains], input) };
      return (generation, pace) => domains(engine, generation, question, pace);
    },
  }),
  inquiry({
    name: 'persons',
    path: '/v1/persons/{visitorId}',
    operationId: 'person',
    summary: 'Which person a visitor id stands for, and all ids joined to it',
    description: `At most ${maxIdsListed} ids are listed; \`idCount\` is the whole number.`,
    params: { visitorId },
    query: {},
    body: bodies.person,
    answer: (engine, input) => (generation, pace) => person(engine, generation, input.visitorId, pace),
  }),
];

/** Parameters as text, as on a command line. */
export type AskInput = Readonly<Record<string, string | readonly string[]>>;

/** Time limit of a question asked in process. */
const askDeadlineMs = 60_000;

/**
 * Answers a question in process, without HTTP, with the same checks and the same body. Throws HttpProblem where HTTP would answer with problem+json.
 */
export async function ask(engine: Engine, name: string, input: AskInput): Promise<Answer> {
  const found = inquiries.find((candidate) => candidate.name === name);
  if (found === undefined) {
    throw new HttpProblem(
      'not-found',
      `'${name}' is not a question; use one of ${inquiries.map((i) => i.name).join(', ')}`,
    );
  }
  const known = Object.keys(found.input.shape);
  for (const parameter of Object.keys(input)) {
    if (!known.includes(parameter))
      throw combinedFilters(Object.keys(input)) ?? unknownParameter(parameter, known);
  }
  const given = Object.entries(input).map(([parameter, value]) => [
    parameter,
    typeof value === 'string' && takesMany(found.input, parameter) ? [value] : value,
  ]);
  const parsed = check(found.input, Object.fromEntries(given));
  const prepared = found.prepare(engine, parsed);
  return engine.pinned(async (generation) =>
    answerFrom(prepared, found.partOf(generation, parsed), new Pace(performance.now() + askDeadlineMs)),
  );
}
