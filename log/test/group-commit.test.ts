/** Unit tests of group commit: when an append is acknowledged, what a commit takes, and what is rejected. */
import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { test } from 'node:test';
import { SwaError } from '../../lib/errors/errors.js';
import { GroupCommit, type Sized } from '../group-commit.js';

interface Item extends Sized {
  readonly name: string;
}

interface UnderWay {
  readonly names: readonly string[];
  end(error?: Error): void;
}

/** Commits that end when the test decides, and the result of each append so far. */
function heldCommits() {
  const begun: UnderWay[] = [];
  const answers: string[] = [];
  const commits = new GroupCommit<Item>({
    commit: (group) =>
      new Promise((resolve, reject) => {
        const end = (error?: Error): void => (error === undefined ? resolve() : reject(error));
        begun.push({ names: group.map(({ name }) => name), end });
      }),
    commitBytes: 3,
    waitingBytes: 4,
    hint: 'wait',
  });
  const add = (name: string): void => {
    commits.add({ name, sizeBytes: 1 }).then(
      () => answers.push(`${name} done`),
      (error: unknown) =>
        answers.push(`${name} ${error instanceof SwaError && error.retryable ? error.code : String(error)}`),
    );
  };
  return { begun, answers, add, commits };
}

/** Waits five turns of the event loop, enough for all pending work to run. */
async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) await turn();
}

test('an append is acknowledged when its commit has ended, and not before; one commit runs at a time', async () => {
  const { begun, answers, add, commits } = heldCommits();
  add('a');
  add('b');
  await settle();
  add('c');
  await settle();
  assert.deepEqual(
    begun.map(({ names }) => names),
    [['a', 'b']],
  );
  assert.deepEqual(answers, []);
  begun[0]?.end();
  await settle();
  assert.deepEqual(answers, ['a done', 'b done']);
  assert.deepEqual(
    begun.map(({ names }) => names),
    [['a', 'b'], ['c']],
  );
  begun[1]?.end();
  await commits.drain();
  await settle();
  assert.deepEqual(answers, ['a done', 'b done', 'c done']);
});

test('a failed commit rejects all of its appends, but none of the next commit', async () => {
  const { begun, answers, add } = heldCommits();
  add('a');
  add('b');
  await settle();
  add('c');
  begun[0]?.end(new Error('no space'));
  await settle();
  assert.deepEqual(answers, ['a log.unavailable', 'b log.unavailable']);
  begun[1]?.end();
  await settle();
  assert.deepEqual(answers.slice(2), ['c done']);
});

test('a commit takes what fits, in order, and the queue is bounded', async () => {
  const { begun, answers, add } = heldCommits();
  for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) add(name);
  await settle();
  assert.deepEqual(answers, ['f log.unavailable'], 'five bytes wait already');
  assert.deepEqual(begun.at(-1)?.names, ['a', 'b', 'c']);
  begun[0]?.end();
  await settle();
  assert.deepEqual(begun.at(-1)?.names, ['d', 'e']);
  begun[1]?.end();
  await settle();
  assert.equal(answers.filter((answer) => answer.endsWith('done')).length, 5);
});
