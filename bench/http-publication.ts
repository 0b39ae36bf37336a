/**
 * The hourly publication that row `http` runs beside its load, in its own process: builds and publishes a year of views; the speed layer makes the
 * matching realtime view and hands over. Ends when answers come from the new generation.
 */
import { pino } from 'pino';
import { systemClock } from '../lib/time/clock.js';
import { configWith } from '../lib/config/config.js';
import { readMeta } from '../serving/meta.js';
import { readCurrent } from '../serving/current.js';
import { viewPath } from '../serving/layout.js';
import { openRealtime } from '../speed/store/read-side.js';
import { startSpeed } from '../speed/role.js';
import { publishYear } from './view-of-a-year.js';

const [, , dataDir = '', pages, busiestViews] = process.argv;
const config = configWith({ dataDir });
const { cut } = readMeta(viewPath(dataDir, readCurrent(dataDir))).view;
const speed = await startSpeed({ config, clock: systemClock, logger: pino({ level: 'silent' }) });
await publishYear(dataDir, {
  number: 2,
  pages: Number(pages),
  busiestViews: Number(busiestViews),
  people: 100_000,
  lgK: config.lgK,
  cut,
});
const published = readCurrent(dataDir);
const realtime = openRealtime(dataDir);
for (let serving = ''; serving !== published;) {
  await new Promise((resolve) => setTimeout(resolve, 20));
  const snapshot = realtime.snapshot();
  serving = snapshot?.generation ?? '';
  snapshot?.release();
}
await realtime.close();
await speed.stop();
