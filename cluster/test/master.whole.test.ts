/** The master dataset in a bucket of a service. */
import { after, before, describe, test } from 'node:test';
import { makeFixture } from '../../master-data/test/fixture.js';
import { skipS3, startMoto, type TestServer } from '../../test/s3/servers.js';
import { S3Store } from '../store/s3-store.js';
import { type Store } from '../store/store.js';
import { race } from './sinks.js';

describe('in a bucket', { skip: skipS3 }, () => {
  let server: TestServer;
  before(async () => {
    server = await startMoto();
    await server.makeBucket('master');
  });
  after(() => server.close());

  test('of two sinks one commits each number, too', async (t) => {
    const fixture = await makeFixture(t);
    const open = (): Store => {
      const store = new S3Store({
        bucket: 'master',
        prefix: 'race',
        endpoint: server.endpoint,
        region: 'us-east-1',
      });
      t.after(() => store.close());
      return store;
    };
    await race(fixture, open);
  });
});
