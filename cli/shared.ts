/** The way from the commands into `cluster/`: taken only where `SWA_STORE` is set. */
import type { Shared, SharedOptions } from '../cluster/shared.js';
import type { RunningRole } from '../lib/process/role.js';

/** Undefined for this machine alone. Throws `store.unusable`, `store.unavailable`. */
export async function openSharedIfSet(options: SharedOptions): Promise<Shared | undefined> {
  if (options.config.store === '') return undefined;
  return (await import('../cluster/shared.js')).openShared(options);
}

/** Starts a role with what hosts share, which is closed when the role has stopped. */
export async function startWithShared<C extends SharedOptions>(
  start: (context: C, shared?: Shared) => Promise<RunningRole>,
  context: C,
): Promise<RunningRole> {
  const shared = await openSharedIfSet(context);
  if (shared === undefined) return start(context);
  try {
    const role = await start(context, shared);
    return {
      done: role.done,
      stop: async () => {
        await role.stop();
        shared.close();
      },
    };
  } catch (error) {
    shared.close();
    throw error;
  }
}
