/**
 * Loaded into a server under attack (`node --import`): ends it with a code of its own as soon as a prototype that all
 * objects share has changed.
 */
const WATCHED = [
  Object.prototype,
  Array.prototype,
  String.prototype,
  Function.prototype,
  Map.prototype,
  Promise.prototype,
];
const before = WATCHED.map(shapeOf);

setInterval(() => {
  WATCHED.forEach((prototype, i) => {
    if (shapeOf(prototype) === before[i]) return;
    process.stderr.write(`a prototype was changed: ${shapeOf(prototype)}\n`);
    process.exit(99);
  });
}, 100).unref();

function shapeOf(prototype: object): string {
  return Reflect.ownKeys(prototype).map(String).sort().join(' ');
}
