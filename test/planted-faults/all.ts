import { durableFileFaults } from './durable-files.js';
import type { PlantedFault } from './fault.js';
import { lambdaLawFaults } from './lambda-law.js';
import { liveIdentityFaults } from './live-identity.js';
import { roomFaults } from './rooms.js';

export const allFaults: readonly PlantedFault[] = [
  ...lambdaLawFaults,
  ...liveIdentityFaults,
  ...durableFileFaults,
  ...roomFaults,
];
