/** How many pageviews: counts of every bucket that covers the range, added. */
import { hourMs } from '../../lib/time/buckets.js';
import type { Engine } from '../engine/engine.js';
import type { Generation } from '../engine/generations.js';
import type { Pace } from '../engine/pace.js';
import type { HourRange, Tally } from '../engine/tally.js';
import { column } from '../formats/table.js';
import { show, type SeriesQuestion } from '../question.js';
import { explainOf, frameOf, type Answer } from './answer.js';
import { emptinessOf } from './empty.js';

interface Entry extends HourRange {
  readonly label: string;
  readonly pageviews: number;
}

export function pageviews(
  engine: Engine,
  generation: Generation,
  question: SeriesQuestion,
  pace: Pace,
): Promise<Answer> {
  return engine.tallied(async (tally) => {
    const series: Entry[] = [];
    for (const slice of question.slices) {
      series.push({ ...slice, pageviews: await countIn(tally, generation, question, slice, pace) });
      if (pace.due) await pace.rest();
    }
    const total = await countIn(tally, generation, question, question.range, pace);
    const entries =
      question.interval === undefined ? [{ ...question.range, label: '', pageviews: total }] : series;
    return {
      body: {
        data: {
          ...question.asked,
          pageviews: total,
          ...(total === 0 ? await emptinessOf(generation, question.subjects, pace) : {}),
          ...(question.interval === undefined
            ? {}
            : { series: series.map((entry) => ({ ...entry, from: show(entry.from), to: show(entry.to) })) }),
        },
        accuracy: { method: 'count', exact: true },
        ...frameOf(engine, generation, question),
        ...(question.explain ? { explain: explainOf(question, tally) } : {}),
      },
      table: {
        columns: [
          column('from', 'time'),
          column('to', 'time'),
          column('label', 'text'),
          column('pageviews', 'count'),
        ],
        rows: entries.map((entry) => [entry.from * hourMs, entry.to * hourMs, entry.label, entry.pageviews]),
      },
    };
  });
}

async function countIn(
  tally: Tally,
  generation: Generation,
  question: SeriesQuestion,
  range: HourRange,
  pace: Pace,
): Promise<number> {
  tally.reset();
  for (const subject of question.subjects) await tally.add(generation, subject, range, 'pageviews', pace);
  return tally.pageviews;
}
