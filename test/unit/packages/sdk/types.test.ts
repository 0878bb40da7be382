import { expectTypeOf, test } from 'vitest';
import type * as z from 'zod';
import type { Event, EventAnswer, RiskCheck, Verification } from '../../../../packages/sdk/src/client.ts';
import type { eventAnswer } from '../../../../src/contract/answer.ts';
import type { eventBody, riskCheckBody, verifyBody } from '../../../../src/contract/body.ts';

test('The types that the SDK declares are those of the schemas that the service reads and writes by', () => {
  expectTypeOf<RiskCheck>().toEqualTypeOf<z.input<typeof riskCheckBody>>();
  expectTypeOf<Event>().toEqualTypeOf<z.input<typeof eventBody>>();
  expectTypeOf<Verification>().toEqualTypeOf<z.input<typeof verifyBody>>();
  expectTypeOf<EventAnswer>().toEqualTypeOf<z.output<typeof eventAnswer>>();
});
