/** All outlets of one task, by stream name, and whether there is room behind them. */
import type { Streams } from './component.js';
import type { Inbox } from './inbox.js';
import { Outlet } from './outlet.js';
import { invalid } from './plan.js';
import { defaultStream } from './tuple.js';

export class Outlets {
  private readonly byStream = new Map<string, Outlet>();
  private inboxes: readonly Inbox[] = [];

  constructor(
    private readonly component: string,
    task: number,
    streams: Streams,
  ) {
    for (const [stream, fields] of Object.entries(streams)) {
      this.byStream.set(stream, new Outlet({ component, task, stream, fields }));
    }
  }

  get(stream: string = defaultStream): Outlet {
    const outlet = this.byStream.get(stream);
    if (outlet === undefined) throw invalid(`component '${this.component}' declares no stream '${stream}'`);
    return outlet;
  }

  /** To be called when all routes are added. */
  seal(): void {
    this.inboxes = [...new Set([...this.byStream.values()].flatMap((outlet) => outlet.inboxes))];
  }

  /** True when any queue this task may emit to is full: then the task is not run. */
  get blocked(): boolean {
    for (let i = 0; i < this.inboxes.length; i++) if (this.inboxes[i]?.full === true) return true;
    return false;
  }
}
