/** Settles only when the browser restores this page from its back/forward cache: the person came back without a step-up. */
export function returnByBackButton(): Promise<false> {
  return new Promise((resolve) => {
    const shown = ({ persisted }: PageTransitionEvent): void => {
      if (!persisted) return;
      removeEventListener('pageshow', shown);
      resolve(false);
    };
    addEventListener('pageshow', shown);
  });
}
