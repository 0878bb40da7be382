/**
 * The gateway of gateway.ts and Stepgate in one Worker: asking costs no hop, and `request.cf` is that of the client. Settings and
 * bindings are those of both, see in-process.toml.
 */
import stepgate, { RedisPool } from '../../src/worker.ts';
import gateway, { type Environment } from './gateway.ts';

export { RedisPool };

export default {
  fetch(request: Request, env: Omit<Environment, 'STEPGATE'>, context: Parameters<typeof stepgate.fetch>[2]) {
    const engine = { fetch: (call: Request) => stepgate.fetch(call, env, context) };
    return gateway.fetch(request, { ...env, STEPGATE: engine });
  },
};
