import { test } from 'node:test';
import { proveRealLog, realLogSkip } from './real-log-proof.js';

test('a real log gives the oracle’s answers through every phase', { skip: realLogSkip() }, (t) =>
  proveRealLog(t),
);
