/**
 * An outlet: one stream of one task, and the inboxes that a tuple on it goes to. Finding the receivers is the same for
 * spouts and bolts; which edges their tuples get is not, and is the caller's part.
 */
import type { Inbox } from './inbox.js';
import { invalid } from './plan.js';
import { everyTask } from './selector.js';
import type { Selector } from './selector.js';
import type { Source, Values } from './tuple.js';

/** One bolt that takes a stream. */
export interface Route {
  /** Undefined for direct grouping. */
  readonly selector: Selector | undefined;
  readonly inboxes: readonly Inbox[];
  /** Task ids, in the order of the inboxes. */
  readonly tasks: readonly number[];
}

export class Outlet {
  private readonly routes: OpenRoute[] = [];
  private readonly direct = new Map<number, readonly Inbox[]>();

  constructor(readonly source: Source) {}

  add(route: Route): void {
    const { selector, inboxes, tasks } = route;
    const singles = inboxes.map((inbox) => [inbox]);
    if (selector !== undefined) this.routes.push({ selector, inboxes, singles });
    else tasks.forEach((task, i) => this.direct.set(task, singles[i] ?? []));
  }

  /** Where one tuple goes. Without an allocation as long as one bolt takes the stream, which is nearly always. */
  receivers(values: Values): readonly Inbox[] {
    const [route] = this.routes;
    if (route === undefined) return nobody;
    if (this.routes.length === 1) return receiversOf(route, values);
    return this.routes.flatMap((each) => receiversOf(each, values));
  }

  /** The one receiver that the sender named. Throws unless that task takes this stream by direct grouping. */
  receiver(task: number): readonly Inbox[] {
    const inbox = this.direct.get(task);
    if (inbox !== undefined) return inbox;
    const { component, stream } = this.source;
    throw invalid(`task ${task} does not take stream '${stream}' of '${component}' by direct grouping`);
  }

  get inboxes(): readonly Inbox[] {
    return [...this.routes.flatMap((route) => route.inboxes), ...[...this.direct.values()].flat()];
  }
}

interface OpenRoute {
  readonly selector: Selector;
  readonly inboxes: readonly Inbox[];
  /** Each inbox alone, so that choosing one needs no new array. */
  readonly singles: readonly (readonly Inbox[])[];
}

const nobody: readonly Inbox[] = [];

function receiversOf(route: OpenRoute, values: Values): readonly Inbox[] {
  const chosen = route.selector.select(values);
  return chosen === everyTask ? route.inboxes : (route.singles[chosen] ?? nobody);
}
