import { SwaError, messageOf, systemCode } from '../lib/errors/errors.js';

/** Gives every error that ends a run a code, with a special hint for a full disk. */
export function toRunError(error: unknown): SwaError {
  if (error instanceof SwaError) return error;
  const full = systemCode(error) === 'ENOSPC' || /MDB_MAP_FULL|No space left/i.test(messageOf(error));
  return new SwaError('batch.failed', `the batch run failed: ${messageOf(error)}`, {
    cause: error,
    hint: full
      ? 'free space in SWA_DATA_DIR; the published view is unchanged'
      : 'the published view is unchanged; see `swa status`',
  });
}
