/**
 * Collects requests until `later` calls back and sends them as one, at most `most` at a time. Answers are in the order
 * of the requests; undefined if there are fewer answers.
 */
export function batched<Q, A>(
  askAll: (questions: readonly Q[]) => Promise<readonly A[]>,
  { most, later }: { readonly most: number; readonly later: (send: () => void) => void },
): (question: Q) => Promise<A | undefined> {
  let batch: Q[] = [];
  let answered: Promise<readonly A[]> | null = null;

  return (question) => {
    if (answered === null || batch.length === most) {
      const questions: Q[] = [];
      batch = questions;
      answered = new Promise((resolve) => {
        later(() => {
          if (batch === questions) answered = null;
          resolve(askAll(questions));
        });
      });
    }
    const place = batch.push(question) - 1;
    return answered.then((answers) => answers[place]);
  };
}
