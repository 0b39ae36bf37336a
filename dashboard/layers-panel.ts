/** The state of the system: every layer with its position and lag, and the batch views so far. */
import type { Batches, Freshness, Layer, PublishedView, Status, Uniques } from './answers.js';
import { h } from './dom.js';
import { clockTime, count, span } from './format.js';
import { LambdaPanel } from './lambda-panel.js';
import { countersOf, runOf, sumOf } from './layer-details.js';

const purposes: Readonly<Record<string, string>> = {
  collector: 'accepts facts',
  sink: 'log to master dataset',
  batch: 'recomputes all views',
  speed: 'log to realtime view',
  query: 'merges both',
};
const silentAfterMs = 15_000;
const runsShown = 5;

export class LayersPanel {
  readonly #lambda = new LambdaPanel();
  readonly #layers = h('tbody');
  readonly #runs = h('tbody');
  readonly #pending = h('p', { class: 'hint', id: 'pending-runs' });
  readonly #cuts = h('dl', { class: 'cuts' });
  readonly #topology = h('tbody');
  #shown = '';

  constructor(host: HTMLElement) {
    host.replaceChildren(
      h(
        'div',
        { class: 'card-head' },
        h(
          'div',
          {},
          h('h2', { id: 'layers-title' }, 'How the answer is made'),
          h(
            'p',
            { class: 'hint' },
            'History is recomputed from all facts, the newest are counted as they come, and each answer merges both.',
          ),
        ),
      ),
      this.#lambda.flow,
      h(
        'div',
        { class: 'layers' },
        h(
          'div',
          {},
          h(
            'table',
            { id: 'layers', 'aria-labelledby': 'layers-title' },
            headOf('Layer', 'State', 'Facts', 'Behind'),
            this.#layers,
          ),
          h('details', { class: 'cut-details' }, h('summary', {}, 'Cuts by partition'), this.#cuts),
          h(
            'details',
            { class: 'cut-details' },
            h('summary', { id: 'topology-title' }, 'Topology of the speed layer'),
            h(
              'table',
              { id: 'topology', 'aria-labelledby': 'topology-title' },
              headOf('Spout or bolt', 'Tasks', 'Emitted', 'Acked', 'Failed', 'Latency'),
              this.#topology,
            ),
          ),
        ),
        h(
          'div',
          {},
          h('h3', { id: 'runs-title' }, 'Batch views so far'),
          h(
            'table',
            { id: 'runs', 'aria-labelledby': 'runs-title' },
            headOf('View', 'Through', 'Pageviews', 'People'),
            this.#runs,
          ),
          this.#pending,
          this.#lambda.uncounted,
        ),
      ),
    );
  }

  /** Shows the accuracy of the visitors shown; undefined if none are. */
  showIdentity(accuracy: Uniques['accuracy'] | undefined): void {
    this.#lambda.showIdentity(accuracy);
  }

  update(status: Status, batches: Batches, zone: string, nowMs: number): void {
    this.#lambda.update(status, batches, zone);
    const layers = status.layers.map((layer) => layerRow(layer, status.freshness, nowMs));
    const runs = batches.views
      .slice(0, runsShown)
      .map((view) => [
        `${view.number}${useOf(view, status.freshness)}`,
        view.number === 0 ? '–' : clockTime(view.createdAt, zone),
        count(view.pageviews),
        count(view.persons),
      ]);
    const cuts = Object.entries(status.freshness?.batch.cut ?? {}).map(([partition, offset]) => {
      const live = status.freshness?.realtime?.cut[partition];
      return [
        partition,
        `batch ${count(offset)}${live === undefined ? '' : `, live ${count(live)}`}`,
      ] as const;
    });
    const waiting = batches.pending.filter((run) => !run.running).length;
    const isRunning = batches.pending.length > waiting;
    const pending = `${isRunning ? 'A run is under way. ' : ''}${waiting > 0 ? `${waiting} asked for.` : ''}`;
    const topology = status.layers.flatMap(topologyRows);
    const shown = JSON.stringify([layers, runs, cuts, pending, topology]);
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.#layers.replaceChildren(...layers.flatMap(layerElements));
    this.#topology.replaceChildren(
      ...topology.map(([name, ...cells]) =>
        h(
          'tr',
          {},
          h('th', { scope: 'row' }, name),
          ...cells.map((cell) => h('td', { class: 'number' }, cell)),
        ),
      ),
    );
    this.#runs.replaceChildren(
      ...(runs.length === 0
        ? [h('tr', {}, h('td', { colspan: 4, class: 'empty' }, 'None yet: the first batch run makes one.'))]
        : runs.map(([name, through, views, people]) =>
            h(
              'tr',
              {},
              h('th', { scope: 'row' }, name),
              h('td', {}, through),
              h('td', { class: 'number' }, views),
              h('td', { class: 'number' }, people),
            ),
          )),
    );
    this.#pending.textContent = pending;
    this.#cuts.replaceChildren(...cuts.flatMap(([name, text]) => [h('dt', {}, name), h('dd', {}, text)]));
  }
}

/** A view is current when it is published, and in use when the speed layer has caught up behind it. */
function useOf(view: PublishedView, freshness: Freshness | undefined): string {
  if (view.id === freshness?.generation) return ' (in use)';
  return view.current ? ' (next)' : '';
}

interface LayerRow {
  readonly name: string;
  readonly purpose: string;
  readonly state: string;
  readonly mood: 'good' | 'waiting' | 'bad';
  readonly position: string;
  readonly behind: string;
  readonly error: string | undefined;
}

function layerRow(layer: Layer, freshness: Freshness | undefined, nowMs: number): LayerRow {
  const { role, worker, state, details, lastError } = layer;
  const silentMs = nowMs - layer.updatedAt;
  // The batch layer may be silent while it waits for its schedule; the query layer has just answered.
  const isSilent = state === 'running' && silentMs > silentAfterMs && role !== 'query' && role !== 'batch';
  return {
    name: worker === '0' ? role : `${role} ${worker}`,
    purpose: purposes[role] ?? '',
    state: isSilent ? `silent for ${span(silentMs)}` : `${state}${stepOf(details)}`,
    mood: isSilent || state === 'failed' ? 'bad' : state === 'running' ? 'good' : 'waiting',
    position: positionOf(layer, freshness),
    behind: role === 'query' ? behindOf(freshness) : recordsBehind(details),
    error: lastError === undefined ? undefined : errorOf(lastError),
  };
}

function errorOf({ code, message, hint }: NonNullable<Layer['lastError']>): string {
  return `${code}: ${message}${hint === undefined ? '' : ` (${hint})`}`;
}

/** A row for each spout and bolt: name, tasks, tuples emitted, acked and failed, latency. */
function topologyRows({ details }: Layer): readonly (readonly [string, ...string[]])[] {
  return countersOf(details).map(([name, counter]) => {
    const counts = ['tasks', 'emitted', 'acked', 'failed'].map((field) => count(counter(field)));
    return [name, ...counts, `${counter('latencyMs').toFixed(1)} ms`];
  });
}

function positionOf({ role, details }: Layer, freshness: Freshness | undefined): string {
  const cut = sumOf(details['cut']);
  if (cut !== undefined) return count(cut);
  const accepted = details['accepted'];
  if (typeof accepted === 'number') return count(accepted);
  if (role === 'batch' && freshness !== undefined) return count(sumOf(freshness.batch.cut) ?? 0);
  if (role === 'query' && freshness !== undefined) {
    return count(sumOf(freshness.realtime?.cut ?? freshness.batch.cut) ?? 0);
  }
  return '–';
}

/** ', step facts 41%' during a batch run */
function stepOf(details: Layer['details']): string {
  const run = runOf(details);
  return run === undefined ? '' : `, step ${run.step}${run.done === undefined ? '' : ` ${run.done}`}`;
}

function recordsBehind(details: Layer['details']): string {
  const lag = details['lagRecords'] ?? details['lag'];
  return typeof lag === 'number' ? (lag === 0 ? 'nothing' : `${count(lag)} facts`) : '–';
}

function behindOf(freshness: Freshness | undefined): string {
  const lagMs = freshness?.realtime?.lagMs;
  return lagMs === undefined ? '–' : span(lagMs);
}

function layerElements(row: LayerRow): readonly HTMLElement[] {
  const main = h(
    'tr',
    {},
    h('th', { scope: 'row' }, row.name, h('small', {}, row.purpose)),
    h('td', {}, h('span', { class: 'state', 'data-mood': row.mood }, row.state)),
    h('td', { class: 'number' }, row.position),
    h('td', { class: 'number' }, row.behind),
  );
  if (row.error === undefined) return [main];
  return [main, h('tr', { class: 'error' }, h('td', { colspan: 4 }, `${row.name}: ${row.error}`))];
}

function headOf(...names: readonly string[]): HTMLElement {
  return h('thead', {}, h('tr', {}, ...names.map((name) => h('th', { scope: 'col' }, name))));
}
