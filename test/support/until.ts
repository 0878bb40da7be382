/** Asks every 20 ms until `holds` is true; the test's own time limit ends it otherwise. A stopped clock is left alone. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 20));
}
