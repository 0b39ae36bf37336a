/**
 * The lambda architecture at work: one log, two paths through it, one answer. Each box shows the position of its part; a table lists what
 * arrived and does not count, by reason.
 */
import type { Batches, Layer, Status, Uniques } from './answers.js';
import { h, setText } from './dom.js';
import { clockTime, count, span } from './format.js';
import { countersOf, runOf, sumOf } from './layer-details.js';

interface Box {
  readonly id: string;
  readonly title: string;
  readonly value: string;
  readonly detail: string;
}

/** Numbers of facts that do not count, for one reason: in the batch view, and since then. */
interface Uncounted {
  readonly reason: string;
  readonly batch: number | undefined;
  readonly since: number | undefined;
}

export class LambdaPanel {
  readonly flow = h('ol', { class: 'flow', 'aria-labelledby': 'layers-title' });
  readonly uncounted: HTMLElement;
  readonly #uncounted = h('tbody');
  readonly #boxes = new Map<string, { readonly value: HTMLElement; readonly detail: HTMLElement }>();
  /** In the answer's box, although it is about the current query and not about the system. */
  readonly #identity = h('p', { class: 'detail', id: 'live-identity' });
  #shown = '';

  constructor() {
    const head = ['Came in and does not count', 'Batch view', 'Since'].map((name, i) =>
      h('th', { scope: 'col', class: i === 0 ? undefined : 'number' }, name),
    );
    this.uncounted = h(
      'table',
      { id: 'uncounted' },
      h('caption', { class: 'unseen' }, 'What came in and does not count'),
      h('thead', {}, h('tr', {}, ...head)),
      this.#uncounted,
    );
  }

  update(status: Status, batches: Batches, zone: string): void {
    for (const box of boxesOf(status, batches, zone)) this.#show(box);
    const rows = uncountedOf(status);
    const shown = JSON.stringify(rows);
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.#uncounted.replaceChildren(
      ...rows.map(({ reason, batch, since }) =>
        h('tr', {}, h('th', { scope: 'row' }, reason), cell(batch), cell(since)),
      ),
    );
  }

  /** Shows how logins and retractions since the batch view affect the visitors shown; undefined if none are shown. */
  showIdentity(accuracy: Uniques['accuracy'] | undefined): void {
    setText(this.#identity, accuracy === undefined ? '' : identityText(accuracy));
  }

  #show({ id, title, value, detail }: Box): void {
    let parts = this.#boxes.get(id);
    if (parts === undefined) {
      parts = { value: h('p', { class: 'flow-value' }), detail: h('p', { class: 'detail' }) };
      this.#boxes.set(id, parts);
      const more = id === 'query' ? this.#identity : undefined;
      this.flow.append(h('li', { id: `flow-${id}` }, h('h3', {}, title), parts.value, parts.detail, more));
    }
    setText(parts.value, value);
    setText(parts.detail, detail);
  }
}

function cell(value: number | undefined): HTMLElement {
  return h('td', { class: 'number' }, value === undefined ? '–' : count(value));
}

const layerOf = (status: Status, role: string): readonly Layer[] =>
  status.layers.filter((layer) => layer.role === role);

/** Sum over workers of a figure that layers report; undefined if none reports it. */
function figure(layers: readonly Layer[], name: string): number | undefined {
  return total(layers.map(({ details }) => details[name]).filter((value) => typeof value === 'number'));
}

/** Undefined for an empty list. */
function total(values: readonly number[]): number | undefined {
  return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0);
}

function boxesOf(status: Status, batches: Batches, zone: string): readonly Box[] {
  const { freshness } = status;
  const [speed, sink] = [layerOf(status, 'speed'), layerOf(status, 'sink')];
  const inBatch = sumOf(freshness?.batch.cut) ?? 0;
  const answered = freshness?.realtime === undefined ? inBatch : (sumOf(freshness.realtime.cut) ?? 0);
  const lag = freshness?.realtime?.lagRecords;
  const [master, behind] = [
    total(sink.flatMap(({ details }) => sumOf(details['cut']) ?? [])),
    figure(sink, 'lag') ?? 0,
  ];
  const view = batches.views.find(({ id }) => id === freshness?.generation);
  return [
    {
      id: 'log',
      title: 'Log',
      value: `${count(answered + (lag ?? 0))} facts`,
      detail: 'Everything that came in, in order. Both layers read it, each on its own.',
    },
    {
      id: 'master',
      title: 'Master dataset',
      value: master === undefined ? '–' : `${count(master)} facts`,
      detail: `Every fact for good, as Parquet. ${behind === 0 ? 'Up to date with the log.' : `${count(behind)} behind the log.`}`,
    },
    {
      id: 'batch',
      title: view === undefined ? 'Batch view' : `Batch view ${view.number}`,
      value: `${count(inBatch)} facts`,
      detail:
        inBatch === 0 || freshness === undefined
          ? `No run yet. ${runText(status, batches)}`
          : `Recomputed from all facts before ${clockTime(freshness.batch.createdAt, zone)}. ${runText(status, batches)}`,
    },
    { id: 'topology', title: 'Topology', ...topologyText(speed) },
    {
      id: 'realtime',
      title: 'Realtime view',
      value: freshness?.realtime === undefined ? 'not serving' : `${count(answered - inBatch)} facts`,
      detail: `What came since the batch view. ${handOverText(speed)}`,
    },
    {
      id: 'query',
      title: 'Answer',
      value: `${count(answered)} facts`,
      detail: `Both views merged at one cut${lagText(freshness?.realtime?.lagMs)}.`,
    },
  ];
}

function identityText({ rewritten, maxOvercount, maxUndercount }: Uniques['accuracy']): string {
  const done =
    rewritten === 0
      ? 'No login since the batch view joins any of the visitors shown.'
      : `Logins since the batch view: ${count(rewritten)} ${rewritten === 1 ? 'person is' : 'people are'} counted as another one already.`;
  const bounds = [
    ...(maxOvercount === 0 ? [] : [`${count(maxOvercount)} too many`]),
    ...(maxUndercount === 0 ? [] : [`${count(maxUndercount)} too few`]),
  ];
  if (bounds.length === 0) return done;
  return `${done} Not worked out until the next run, only bounded: the visitors shown may be up to ${bounds.join(' or ')}.`;
}

function lagText(lagMs: number | undefined): string {
  return lagMs === undefined ? '' : `, ${span(lagMs)} behind the log`;
}

/** What the batch layer is doing now. */
function runText(status: Status, { pending }: Batches): string {
  const run = runOf(layerOf(status, 'batch')[0]?.details ?? {});
  if (run !== undefined)
    return `A run is at step ${run.step}${run.done === undefined ? '' : `, ${run.done}`}.`;
  if (pending.some(({ running }) => running)) return 'A run is under way.';
  return pending.length > 0 ? 'A run is asked for.' : '';
}

function handOverText(speed: readonly Layer[]): string {
  const isNext = speed.some(({ details }) => typeof details['nextGeneration'] === 'string');
  if (isNext) return 'Hand-over: the next one catches up behind the new batch view while this one serves.';
  const handOvers = figure(speed, 'handOvers');
  if (handOvers === undefined) return '';
  return `It starts anew behind each batch view: ${count(handOvers)} hand-overs so far.`;
}

/** The acker's counts for the spouts: tuple trees that were acked, failed or timed out. */
function topologyText(speed: readonly Layer[]): Pick<Box, 'value' | 'detail'> {
  const spouts = speed
    .flatMap(({ details }) => countersOf(details))
    .filter(([name]) => name.includes('spout'));
  const sum = (name: string): number => spouts.reduce((subtotal, [, counter]) => subtotal + counter(name), 0);
  return {
    value: spouts.length === 0 ? '–' : `${count(sum('acked'))} trees acked`,
    detail: `Spout, normalize, update view. The acker saw ${count(sum('failed'))} trees fail and ${count(sum('timedOut'))} time out.`,
  };
}

/** Counts of a batch run, by their names in its statistics. */
const batchReasons: Readonly<Record<string, string>> = {
  botPageviews: 'Pageviews of known bots',
  excludedPageviews: 'Excluded pageviews',
  repeats: 'Repeats',
  refusedUrls: 'URLs that the rules refuse',
  invalidPageviews: 'Records that are not valid facts',
};
/** The batch layer's names for reasons of the speed layer; its other reasons are about records that are not valid facts. */
const speedReasons: Readonly<Record<string, string>> = {
  'known bot': 'botPageviews',
  excluded: 'excludedPageviews',
  unparsable: 'refusedUrls',
  'not-http': 'refusedUrls',
  'too-long': 'refusedUrls',
  'raw-too-long': 'refusedUrls',
};

function uncountedOf(status: Status): readonly Uncounted[] {
  const [batch, speed] = [layerOf(status, 'batch'), layerOf(status, 'speed')];
  const since = new Map<string, number>([['repeats', figure(speed, 'repeats') ?? 0]]);
  for (const { details } of speed) {
    for (const [reason, times] of Object.entries(details['refused'] ?? {})) {
      const name = speedReasons[reason] ?? 'invalidPageviews';
      since.set(name, (since.get(name) ?? 0) + Number(times));
    }
  }
  const rows = Object.entries(batchReasons).map(([name, reason]) => ({
    reason,
    batch: figure(batch, name),
    since: since.get(name) ?? 0,
  }));
  const rejected = figure(layerOf(status, 'collector'), 'rejected');
  const deadLetters = figure(speed, 'deadLetters') ?? 0;
  return [
    ...rows.filter((row) => row.batch !== undefined || row.since > 0),
    ...(deadLetters === 0
      ? []
      : [{ reason: 'Set aside after three failures', batch: undefined, since: deadLetters }]),
    {
      reason: `Rejected at the door since its start${fieldsText(status)}`,
      batch: undefined,
      since: rejected,
    },
  ];
}

/** ' (visitor 3, url 1)' */
function fieldsText(status: Status): string {
  const fields = layerOf(status, 'collector').flatMap(({ details }) =>
    Object.entries(details['rejectedByField'] ?? {}).map(
      ([field, times]) => `${field} ${count(Number(times))}`,
    ),
  );
  return fields.length === 0 ? '' : ` (${fields.slice(0, 4).join(', ')})`;
}
