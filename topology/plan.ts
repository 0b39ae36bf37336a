/**
 * The plan of a topology: checks the declarations and sorts the bolts so that each comes after everything it reads
 * from. Cycles are rejected, because under back-pressure queues that fill each other in a circle can deadlock.
 */
import type { Bolt, BoltModule, Spout, Streams } from './component.js';
import { invalid } from './errors.js';
import type { Subscription } from './grouping.js';
import type { Fields } from './tuple.js';

export interface SpoutSpec {
  readonly name: string;
  readonly create: () => Spout;
  readonly parallelism: number;
}

export interface BoltSpec {
  readonly name: string;
  readonly bolt: (() => Bolt) | BoltModule;
  readonly parallelism: number;
  readonly inputs: readonly Subscription[];
}

/** Returns the bolts in topological order. Throws `topology.invalid` on undefined names and on cycles. */
export function inOrder(spouts: readonly SpoutSpec[], bolts: readonly BoltSpec[]): readonly BoltSpec[] {
  const done = new Set(spouts.map((spout) => spout.name));
  const known = new Set([...done, ...bolts.map((bolt) => bolt.name)]);
  for (const bolt of bolts) {
    for (const { component } of bolt.inputs) {
      if (!known.has(component))
        throw invalid(`bolt '${bolt.name}' reads from '${component}', which is not defined`);
    }
  }
  const ordered: BoltSpec[] = [];
  let waiting = [...bolts];
  while (waiting.length > 0) {
    const ready = waiting.filter((bolt) => bolt.inputs.every((input) => done.has(input.component)));
    if (ready.length === 0) {
      throw invalid(`bolts in a cycle: ${waiting.map((bolt) => `'${bolt.name}'`).join(', ')}`);
    }
    for (const bolt of ready) done.add(bolt.name);
    ordered.push(...ready);
    waiting = waiting.filter((bolt) => !done.has(bolt.name));
  }
  return ordered;
}

/**
 * Returns the fields of the subscribed stream. Throws `topology.invalid` unless the stream is declared and has every
 * field that the subscription groups by.
 */
export function checkSubscription(bolt: string, input: Subscription, outputs: Streams): Fields {
  const fields = outputs[input.stream];
  if (fields === undefined) {
    const declared = Object.keys(outputs).join(', ') || 'none';
    throw invalid(
      `bolt '${bolt}' reads stream '${input.stream}' of '${input.component}', which declares ${declared}`,
    );
  }
  if (input.grouping.kind !== 'fields' && input.grouping.kind !== 'partialKey') return fields;
  if (input.grouping.fields.length === 0) throw invalid(`bolt '${bolt}' groups by no field`);
  for (const field of input.grouping.fields) {
    if (fields.includes(field)) continue;
    throw invalid(
      `bolt '${bolt}' groups by '${field}', but '${input.component}' declares ${fields.join(', ')} on '${input.stream}'`,
    );
  }
  return fields;
}
