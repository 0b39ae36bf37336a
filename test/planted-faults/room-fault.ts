/** How the faults of one room are written down. */
import type { Edit, PlantedFault } from './fault.js';

/** Faults of a room, each with the test under `<room>/test/` that must catch it. */
export function faultsOf(room: string) {
  return (test: string, name: string, ...edits: readonly Edit[]): PlantedFault => ({
    name,
    room,
    edits,
    test: `${room}/test/${test}.test`,
  });
}

export function edit(file: string, find: string, replace: string): Edit {
  return { file, find, replace };
}

/** One of those that every run of the tests draws from. */
export function quick(fault: PlantedFault): PlantedFault {
  return { ...fault, isQuick: true };
}
