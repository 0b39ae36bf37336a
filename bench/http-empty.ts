/**
 * The empty express route of row `http`, on a thread of its own: two servers in one thread share what the engine learns of
 * their objects, and each would be slower for the other. Says its port; asked with any message, answers with the CPU
 * time of its thread in microseconds.
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
