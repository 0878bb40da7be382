import * as z from 'zod';

/** A problem document (RFC 9457) as this service writes it. */
export const problemDocument = z.object({
  type: z.string(),
  title: z.string(),
  status: z.number(),
  detail: z.string(),
  code: z.string(),
  errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
});
export type ProblemDocument = z.infer<typeof problemDocument>;

/** One fault of the input: where it is (`device.confidence`, `evaluations[2].action`) and what is wrong. */
export interface Fault {
  readonly path: string;
  readonly message: string;
}

/** A problem document without faults; its `type` is made from the code. */
export function problemOf(code: string, said: Pick<ProblemDocument, 'title' | 'status' | 'detail'>): ProblemDocument {
  const { title, status, detail } = said;
  return { type: `urn:stepgate:problem:${code}`, title, status, detail, code };
}
