/** How many different people: the sketch of every bucket that covers the range, united. */
import type { Engine } from '../engine/engine.js';
import type { Generation } from '../engine/generations.js';
import type { Pace } from '../engine/pace.js';
import type { HourRange, Tally } from '../engine/tally.js';
import { hourMs } from '../../lib/time/buckets.js';
import { column, type Table } from '../formats/table.js';
import { show, type SeriesQuestion } from '../question.js';
import { accuracyOf, countOf, explainOf, frameOf, type Answer, type Count } from './answer.js';
import { emptinessOf } from './empty.js';

interface Entry extends HourRange, Count {
  readonly label: string;
}

export function uniques(
  engine: Engine,
  generation: Generation,
  question: SeriesQuestion,
  pace: Pace,
): Promise<Answer> {
  return engine.tallied(async (tally) => {
    const series: Entry[] = [];
    for (const slice of question.slices) {
      tally.reset();
      await addAll(tally, generation, question, slice, pace);
      series.push({ ...slice, ...countOf(tally, generation) });
      if (pace.due) await pace.rest();
    }
    tally.reset();
    await addAll(tally, generation, question, question.range, pace);
    const total = countOf(tally, generation);
    return {
      body: {
        data: {
          ...question.asked,
          visitors: total.visitors,
          ...(tally.pageviews === 0 ? await emptinessOf(generation, question.subjects, pace) : {}),
          ...(question.interval === undefined ? {} : { series: series.map(entryBody) }),
        },
        accuracy: accuracyOf(total, generation),
        ...frameOf(engine, generation, question),
        ...(question.explain ? { explain: explainOf(question, tally) } : {}),
      },
      table: tableOf(question.interval === undefined ? [{ ...question.range, label: '', ...total }] : series),
    };
  });
}

/** Adds every subject's facts of a range to a tally: the union over pages. */
async function addAll(
  tally: Tally,
  generation: Generation,
  question: SeriesQuestion,
  range: HourRange,
  pace: Pace,
): Promise<void> {
  for (const subject of question.subjects) await tally.add(generation, subject, range, 'uniques', pace);
}

/** The merged sketch of a range in the DataSketches format. */
export function sketch(
  engine: Engine,
  generation: Generation,
  question: SeriesQuestion,
  pace: Pace,
): Promise<Uint8Array> {
  return engine.tallied(async (tally) => {
    await addAll(tally, generation, question, question.range, pace);
    return tally.union.toSketch().toBytes();
  });
}

function entryBody(entry: Entry): Readonly<Record<string, unknown>> {
  return {
    from: show(entry.from),
    to: show(entry.to),
    label: entry.label,
    visitors: entry.visitors,
    lower: entry.lower,
    upper: entry.upper,
    exact: entry.exact,
  };
}

function tableOf(entries: readonly Entry[]): Table {
  return {
    columns: [
      column('from', 'time'),
      column('to', 'time'),
      column('label', 'text'),
      column('visitors', 'count'),
      column('lower', 'count'),
      column('upper', 'count'),
      column('exact', 'flag'),
    ],
    rows: entries.map((entry) => [
      entry.from * hourMs,
      entry.to * hourMs,
      entry.label,
      entry.visitors,
      entry.lower,
      entry.upper,
      entry.exact,
    ]),
  };
}
