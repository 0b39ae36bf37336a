/** Error codes of the library. A code is stable; the message says what was attempted and on what value. */
export const topologyErrorCodes = [
  'topology.invalid', // a topology that cannot be built, or a component that breaks its contract
  'topology.queue-full', // one call emitted more than a queue, or the acker, can hold
  'topology.thread-died', // the thread of a bolt ended
] as const;

export type TopologyErrorCode = (typeof topologyErrorCodes)[number];

export class TopologyError extends Error {
  constructor(
    readonly code: TopologyErrorCode,
    message: string,
  ) {
    super(message);
    this.name = 'TopologyError';
  }
}

export function invalid(message: string): TopologyError {
  return new TopologyError('topology.invalid', message);
}
