/**
 * The plan of a topology: what was declared, checked, with the bolts in an order in which every bolt comes after all
 * it takes from. Streams run one way: a topology with a cycle is refused, because queues that fill each other in a
 * circle can stand still forever under back-pressure.
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

/** The bolts in topological order. Throws on names that are not set and on cycles. */
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

/** The fields of the stream subscribed to. Throws unless it is declared, and with the fields it is grouped by. */
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
