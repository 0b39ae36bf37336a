/** A directory does what every store must do. */
import { DirectoryStore } from '../store/directory-store.js';
import { tempDir } from '../../test/temp-dir.js';
import { conforms } from './store-conformance.js';

conforms('directory', false, async () => {
  const dir = tempDir('store');
  return { open: () => new DirectoryStore(dir), close: async () => undefined };
});
