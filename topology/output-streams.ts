/**
 * The streams one task emits on, and the queues of their receivers. Spouts and bolts find a tuple's receivers the same
 * way; they differ in how they make edges, which is the caller's job.
 */
import type { Streams } from './component.js';
import { invalid } from './errors.js';
import { everyTask } from './grouping.js';
import type { Selector } from './grouping.js';
import type { Inbox } from './inbox.js';
import { defaultStream } from './tuple.js';
import type { Source, Values } from './tuple.js';

/** One stream of one task. */
export class OutputStream {
  readonly #subscribers: Subscriber[] = [];

  constructor(readonly source: Source) {}

  /** @param inboxes the queues of the bolt's tasks, by task number */
  subscribe(selector: Selector, inboxes: readonly Inbox[]): void {
    this.#subscribers.push({ selector, inboxes, singles: inboxes.map((inbox) => [inbox]) });
  }

  /** Returns the queues one tuple goes to. Allocates nothing if a single bolt reads the stream, the usual case. */
  receivers(values: Values): readonly Inbox[] {
    const [first] = this.#subscribers;
    if (first === undefined) return [];
    if (this.#subscribers.length === 1) return receiversOf(first, values);
    return this.#subscribers.flatMap((each) => receiversOf(each, values));
  }

  get inboxes(): readonly Inbox[] {
    return this.#subscribers.flatMap(({ inboxes }) => inboxes);
  }
}

/** All streams of one task, by name. */
export class OutputStreams {
  readonly #byName = new Map<string, OutputStream>();
  readonly #default: OutputStream | undefined;
  #inboxes: readonly Inbox[] = [];

  constructor(
    private readonly component: string,
    task: number,
    streams: Streams,
  ) {
    for (const [stream, fields] of Object.entries(streams))
      this.#byName.set(stream, new OutputStream({ component, task, stream, fields }));
    this.#default = this.#byName.get(defaultStream);
  }

  /** Returns a stream by name. Throws `topology.invalid` if it is not declared. */
  get(name: string): OutputStream {
    const stream = name === defaultStream ? this.#default : this.#byName.get(name);
    if (stream === undefined) throw invalid(`component '${this.component}' declares no stream '${name}'`);
    return stream;
  }

  /** Called once, when all bolts have subscribed. */
  seal(): void {
    this.#inboxes = [...new Set([...this.#byName.values()].flatMap(({ inboxes }) => inboxes))];
  }

  /** True while any queue this task may emit to is full. The engine does not run a blocked task. */
  get blocked(): boolean {
    for (let i = 0; i < this.#inboxes.length; i++) if (this.#inboxes[i]?.full === true) return true;
    return false;
  }
}

interface Subscriber {
  readonly selector: Selector;
  readonly inboxes: readonly Inbox[];
  /** Each inbox in its own array, so that selecting one allocates nothing. */
  readonly singles: readonly (readonly Inbox[])[];
}

function receiversOf({ selector, inboxes, singles }: Subscriber, values: Values): readonly Inbox[] {
  const chosen = selector.select(values);
  return chosen === everyTask ? inboxes : (singles[chosen] ?? []);
}
