/** Faults around the core: what several hosts share. */
import type { PlantedFault } from '../fault.js';
import { edit, faultsOf } from '../room-fault.js';

const fault = faultsOf('cluster');

export const clusterFaults: readonly PlantedFault[] = [
  fault(
    'store',
    'a replacement in a directory looks at no etag',
    edit('cluster/store/directory-store.ts', 'if (this.#etag(key) !== etag) return undefined;', ''),
  ),
  fault(
    'store',
    'what arrives is not held against its hash',
    edit('cluster/store/transfer.ts', '|| sha256 !== wanted.sha256', ''),
  ),
  fault(
    'store.whole',
    'whatever was written meanwhile is taken for our own',
    edit(
      'cluster/store/s3-store.ts',
      'Metadata?.[writerName] === name ? ETag',
      'Metadata !== undefined ? ETag',
    ),
  ),
  fault(
    'store.whole',
    'a service that ignores conditions is taken',
    edit('cluster/store/open-store.ts', 'await refuseUnconditional(store);', ''),
  ),
  fault(
    'erasing',
    'a purge of the store leaves the usual manifests',
    edit(
      'cluster/master/bucket-master.ts',
      'goneBefore: Infinity, kept: 1',
      'goneBefore: Infinity, kept: keptManifests',
    ),
  ),
  fault(
    'erasing',
    'each host hashes erased ids with a key of its own',
    edit(
      'cluster/erasures/bucket-erasures.ts',
      'useSharedKey(this.#dataDir, key);',
      'if (key.length === 0) useSharedKey(this.#dataDir, key);',
    ),
  ),
  fault(
    'spark',
    'why Spark failed is not said',
    edit('cluster/spark/submit.ts', 'failure ??= message.error;', ''),
  ),
  fault(
    'spark',
    'a run that ends leaves the processes of Spark at work',
    edit('cluster/spark/submit.ts', 'process.kill(-child.pid, signal);', 'child.kill(signal);'),
  ),
  fault(
    'master',
    'a sink whose manifest came second goes on',
    edit(
      'cluster/master/bucket-manifests.ts',
      'Buffer.from(text))) === undefined)',
      "Buffer.from(text))) === '')",
    ),
  ),
  fault(
    'master',
    'a sink that slept commits beside the chain',
    edit('cluster/master/bucket-manifests.ts', 'before > 0 &&', 'before < 0 &&'),
  ),
  fault(
    'master',
    'a manifest is committed before its facts are stored',
    edit(
      'cluster/master/bucket-master.ts',
      '    for (const { name: file, sizeBytes, sha256 } of files) {\n      const key',
      '    await this.#manifests.commit(name, before, next);\n    for (const { name: file, sizeBytes, sha256 } of files) {\n      const key',
    ),
  ),
  fault(
    'views',
    'a view is published over one that has more facts',
    edit('cluster/views/bucket-views.ts', '|| !reaches(cut.next, view.cut.next)', ''),
  ),
  fault(
    'views',
    'a view is taken before all of it is here',
    edit(
      'cluster/views/bucket-views.ts',
      'for (const file of files)\n',
      'for (const file of files.slice(1))\n',
    ),
  ),
  fault(
    'realtime',
    'whoever asks is answered',
    edit('cluster/realtime/server.ts', 'if (!this.#mayAsk(request))', 'if (this.#active < 0)'),
  ),
  fault(
    'realtime',
    'a replica that is behind answers',
    edit('cluster/realtime/remote-realtime.ts', 'next < (this.#seen.get(name) ?? 0)', 'next < 0'),
  ),
  fault(
    'realtime',
    'of two partitions the coupons of one are sent',
    edit('cluster/realtime/cells-by-bucket.ts', 'if (y <= x) j++;', 'j++;'),
  ),
  fault(
    'nodes',
    'the dead lead on',
    edit(
      'cluster/realtime/store-pointers.ts',
      'const isFree = known === undefined ||',
      'const isFree = known === undefined &&',
    ),
  ),
  fault(
    'nodes',
    'no hand-over waits for a batch view',
    edit('cluster/realtime/store-pointers.ts', 'return views.includes(to);', 'return true;'),
  ),
  fault(
    'nodes',
    'a hand-over leaves one replica alone that is ready',
    edit('cluster/realtime/store-pointers.ts', 'of(to).includes(name)', 'of(from).includes(name)'),
  ),
  fault(
    'nodes',
    'with two replicas one other worker is enough to let go of a partition',
    edit(
      'cluster/realtime/speed-node.ts',
      'this.#holdersOf(name) < this.#replicas',
      'this.#holdersOf(name) < 1',
    ),
  ),
  fault(
    'nodes',
    'a partition is let go of as soon as it is given to another worker',
    edit('cluster/realtime/speed-node.ts', '&& this.#holdersOf(name) < this.#replicas', '&& false'),
  ),
];
