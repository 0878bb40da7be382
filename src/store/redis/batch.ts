/**
 * Puts what is asked before `later` calls back into one question, at most `most` at a time. The answers come in the order
 * of the questions; undefined where the answer was too short.
 */
export function gathering<Q, A>(
  askAll: (questions: readonly Q[]) => Promise<readonly A[]>,
  { most, later }: { readonly most: number; readonly later: (go: () => void) => void },
): (question: Q) => Promise<A | undefined> {
  let gathered: Q[] = [];
  let answered: Promise<readonly A[]> | null = null;

  return (question) => {
    if (answered === null || gathered.length === most) {
      const together: Q[] = [];
      gathered = together;
      answered = new Promise((resolve) => {
        later(() => {
          if (gathered === together) answered = null;
          resolve(askAll(together));
        });
      });
    }
    const place = gathered.push(question) - 1;
    return answered.then((answers) => answers[place]);
  };
}
