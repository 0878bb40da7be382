/**
 * For `--import`: the wall clock of a service is wrong by as many milliseconds as its parent process last sent. What measures
 * time as it passes (timers, `performance.now()`) goes on, as on a machine whose clock is set.
 */
const { now } = Date;
let aheadMs = 0;
Date.now = () => now() + aheadMs;
process.on('message', (message) => {
  aheadMs = Number(message);
  process.send?.(message);
});
