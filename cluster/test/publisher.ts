/** A host that publishes batch views to a store. */
import { type TestContext } from 'node:test';
import { runBatch } from '../../batch/run.js';
import type { ViewMeta } from '../../facts/views/view.js';
import { drainLogToMaster } from '../../master-data/role.js';
import { makeFixture, pageview, type Fixture } from '../../master-data/test/fixture.js';
import { type Store } from '../store/store.js';
import { BucketViews, type BucketViewsOptions } from '../views/bucket-views.js';

export const home = 'https://example.com/page/0';

export class Publisher {
  readonly fixture: Fixture;
  readonly views: BucketViews;
  /** Pageviews of the home page in each view. */
  readonly counts = new Map<string, number>();
  #facts = 0;

  private constructor(fixture: Fixture, store: Store, change: Partial<BucketViewsOptions>) {
    this.fixture = fixture;
    this.views = viewsOf(fixture.dataDir, store, change);
  }

  static async make(
    t: TestContext,
    store: Store,
    change: Partial<BucketViewsOptions> = {},
  ): Promise<Publisher> {
    return new Publisher(
      await makeFixture(t, { partitions: 1, batchThreads: 1, batchMemory: '512MB' }),
      store,
      change,
    );
  }

  /** Builds a view with `more` pageviews of the home page than the last one; not published to other hosts. */
  async build(more: number): Promise<ViewMeta> {
    const { fixture } = this;
    const { config, clock } = fixture.context;
    await fixture.append(
      Array.from({ length: more }, () =>
        pageview(this.#facts++, { url: home, timestamp: 1_700_000_000_000 }),
      ),
    );
    await drainLogToMaster(fixture.context, { log: fixture.log });
    const meta = await runBatch({ config, clock, trigger: 'command' });
    this.counts.set(meta.id, this.#facts);
    return meta;
  }

  async publish(more: number): Promise<ViewMeta> {
    const meta = await this.build(more);
    await this.views.publish(meta);
    return meta;
  }
}

export function viewsOf(
  dataDir: string,
  store: Store,
  change: Partial<BucketViewsOptions> = {},
): BucketViews {
  return new BucketViews({ dataDir, store, keep: 3, clock: Date.now, ...change });
}
