/**
 * The empty express route of row `http`, on its own thread: in one thread two servers would share the engine's type feedback and slow each other
 * down. Posts its port, then answers any message with the CPU time of its thread in microseconds.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parentPort } from 'node:worker_threads';
import express from 'express';
import { threadCpuMicros } from './thread-cpu.js';

const server = createServer(express().get('/', (_request, response) => void response.end()));
server.listen(0, '127.0.0.1', () => {
  parentPort?.postMessage((server.address() as AddressInfo).port); // it listens on TCP
});
parentPort?.on('message', () => parentPort?.postMessage(threadCpuMicros()));
