/** Faults that a test of their own room must catch: what a room promises is held where it is kept. */
import type { PlantedFault } from './fault.js';
import { batchFaults } from './rooms/batch.js';
import { clusterFaults } from './rooms/cluster.js';
import { factsFaults } from './rooms/facts.js';
import { hyperloglogTsFaults } from './rooms/hyperloglog-ts.js';
import { ingestFaults } from './rooms/ingest.js';
import { libFaults } from './rooms/lib.js';
import { logFaults } from './rooms/log.js';
import { masterDataFaults } from './rooms/master-data.js';
import { queryFaults } from './rooms/query.js';
import { servingFaults } from './rooms/serving.js';
import { siteFaults } from './rooms/sites.js';
import { speedFaults } from './rooms/speed.js';
import { topologyFaults } from './rooms/topology.js';
import { logFormatFaults } from './rooms/ways-in.js';

export const roomFaults: readonly PlantedFault[] = [
  ...batchFaults,
  ...clusterFaults,
  ...factsFaults,
  ...hyperloglogTsFaults,
  ...ingestFaults,
  ...libFaults,
  ...logFaults,
  ...masterDataFaults,
  ...queryFaults,
  ...servingFaults,
  ...speedFaults,
  ...topologyFaults,
  ...logFormatFaults,
  ...siteFaults,
];
