/** Faults in the acker, tuple trees and groupings. */
import type { PlantedFault } from '../fault.js';
import { edit, faultsOf, quick } from '../room-fault.js';

const fault = faultsOf('topology');

export const topologyFaults: readonly PlantedFault[] = [
  quick(
    fault(
      'acker',
      'the acker keeps the low half of the ids alone',
      edit('topology/acker.ts', 'const restHi = this.xorHi[slot] ^ hi;', 'const restHi = 0 * hi;'),
    ),
  ),
  fault(
    'acker',
    'the acker keeps the high half of the ids alone',
    edit('topology/acker.ts', 'const restLo = this.xorLo[slot] ^ lo;', 'const restLo = 0 * lo;'),
  ),
  fault(
    'tuple-trees',
    'the edges of a spout tuple have 32 bits',
    edit(
      'topology/tuple-trees.ts',
      'return new Edge(slot, generation, this.random.int32(), this.random.int32(), null);',
      'return new Edge(slot, generation, 0, this.random.int32(), null);',
    ),
  ),
  fault(
    'tuple-trees',
    'the edges of tuples under others have 32 bits',
    edit('topology/tuple-trees.ts', '    const hi = this.random.int32();\n', '    const hi = 0;\n'),
  ),
  fault(
    'tuple-trees',
    'an ack reports half of the children',
    edit('topology/tuple-trees.ts', 'hi ^ tuple.childHi, lo ^ tuple.childLo,', 'hi, lo ^ tuple.childLo,'),
  ),
  fault(
    'acker',
    'a tree is answered before its init',
    edit('topology/acker.ts', 'restLo === 0 && this.states[slot] === open)', 'restLo === 0)'),
  ),
  fault(
    'acker',
    'a tree that failed before its init is acked',
    edit(
      'topology/acker.ts',
      "if (state === failedEarly) return this.answer(slot, 'failed', nowMs);",
      "if (state === failedEarly) return this.answer(slot, 'acked', nowMs);",
    ),
  ),
  fault(
    'acker',
    'a failed tree is acked',
    edit(
      'topology/acker.ts',
      "if (this.states[slot] === open) this.answer(slot, 'failed', nowMs);",
      "if (this.states[slot] === open) this.answer(slot, 'acked', nowMs);",
    ),
  ),
  fault(
    'acker',
    'a late report touches the tree that has the slot now',
    edit(
      'topology/acker.ts',
      'if (this.generations[slot] !== generation || this.states[slot] === free) return;',
      'if (generation === -1 || this.states[slot] === free) return;',
    ),
  ),
  fault(
    'basics',
    'the spout hears that a failed tree is acked',
    edit(
      'topology/spout-task.ts',
      '      if (acked) this.spout.ack?.(messageId);\n      else',
      '      this.spout.ack?.(messageId);\n      if (!acked && messageId === undefined)',
    ),
  ),
  fault(
    'basics',
    'a tree that timed out is acked',
    edit(
      'topology/spout-task.ts',
      "const acked = outcome === 'acked';",
      "const acked = outcome === 'acked' || (outcome === 'timedOut' && ageMs > 0);",
    ),
  ),
  fault(
    'groupings',
    'fields grouping deals out as shuffle',
    edit(
      'topology/grouping.ts',
      'return new ByFields(indexesOf(grouping.fields, fields), parallelism);',
      'return grouping.fields.length > 9 ? new ByFields(indexesOf(grouping.fields, fields), parallelism) : new Shuffle(parallelism, random);',
    ),
  ),
];
